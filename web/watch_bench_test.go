package web_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/starlingkv/starling"
	"github.com/starlingkv/starling/crdt"
	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/web"
)

// sink is the client of a watch: it counts the put events that it is sent, and throws the bytes away.
type sink struct {
	header http.Header
	puts   *sync.WaitGroup
	bytes  *int64
}

func (s *sink) Header() http.Header { return s.header }
func (s *sink) WriteHeader(int)     {}
func (s *sink) FlushError() error   { return nil }

func (s *sink) Write(b []byte) (int, error) {
	*s.bytes += int64(len(b))
	if bytes.HasPrefix(b, []byte("id: ")) && bytes.Contains(b[:min(len(b), 200)], []byte("event: put\n")) {
		s.puts.Done()
	}
	return len(b), nil
}

// overNode is the API over a real node, with watchers enough.
func overNode(n *starling.Node) *web.Handler {
	return web.New(web.Config{
		Client: func(codec kv.Codec) kv.Client {
			if kind, ok := crdt.KindOf(codec); ok {
				return n.Client(kind)
			}
			return n.Client(crdt.Register(codec))
		},
		Raw: n.Raw(), Node: lone{}, MaxWatchers: watchersOfAMap,
	})
}

// watchersOfAMap is how many are told of one change.
const watchersOfAMap = 1000

// TestSizesThatOnlyAValueTells are left out where values are.
func TestSizesThatOnlyAValueTells(t *testing.T) {
	n, err := starling.Open(starling.Options{Name: "a"})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	h := overNode(n)
	defer h.Close()
	srv := httptest.NewServer(h)
	defer srv.Close()
	call(t, "PUT", srv.URL, "/v1/kv/map?field=a", "1", flags)
	call(t, "PUT", srv.URL, "/v1/kv/plain", "")
	got := call(t, "GET", srv.URL, "/v1/kv?values=false", "").body
	var p struct{ Items []map[string]any }
	if err := json.Unmarshal([]byte(got), &p); err != nil || len(p.Items) != 2 {
		t.Fatalf("got %s, %v", got, err)
	}
	if size, told := p.Items[0]["size"]; told || p.Items[0]["codec"] != "map.flag" || p.Items[0]["version"] == "" {
		t.Errorf("a Map without its value is told with the size %v: %v", size, p.Items[0])
	}
	if p.Items[1]["size"] != 0.0 {
		t.Errorf("an empty value is told without its size: %v", p.Items[1])
	}
	if got := call(t, "GET", srv.URL, "/v1/kv?prefix=map", "").body; !strings.Contains(got, `"size":7,`) || !strings.Contains(got, `{\"a\":1}`) {
		t.Errorf("a Map with its value is told as %s", got)
	}
}

// BenchmarkWatchersOfAMap is one change of a Map of 10,000 fields, told to 1,000 watchers over HTTP: whole, of another
// field, and without the values.
func BenchmarkWatchersOfAMap(b *testing.B) {
	const watchers, fields = watchersOfAMap, 10_000
	for _, query := range []string{"key=m", "key=m&field=f00007", "key=m&values=false"} {
		b.Run(query, func(b *testing.B) {
			n, err := starling.Open(starling.Options{Name: "a"})
			if err != nil {
				b.Fatal(err)
			}
			defer n.Close()
			c := crdt.Typed[crdt.Map[int]]{Client: n.Client(crdt.MapOf[int](kv.JSON[int]("int")))}
			update := func(f func(*crdt.Map[int])) {
				if err := c.Update(b.Context(), "m", func(m *crdt.Map[int]) error { f(m); return nil }); err != nil {
					b.Fatal(err)
				}
			}
			update(func(m *crdt.Map[int]) {
				for i := range fields {
					m.Set(fmt.Sprintf("f%05d", i), i)
				}
			})
			h := overNode(n)
			defer h.Close()
			ctx, cancel := context.WithCancel(b.Context())
			var running, puts sync.WaitGroup
			var sent int64
			puts.Add(watchers)
			sizes := make([]int64, watchers)
			for i := range watchers {
				running.Go(func() {
					r := httptest.NewRequestWithContext(ctx, "GET", "/v1/watch?"+query, nil)
					h.ServeHTTP(&sink{http.Header{}, &puts, &sizes[i]}, r)
				})
			}
			puts.Wait()
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				puts.Add(watchers)
				update(func(m *crdt.Map[int]) { m.Set("f00007", fields+i) })
				puts.Wait()
			}
			b.StopTimer()
			cancel()
			running.Wait()
			for _, n := range sizes {
				sent += n
			}
			b.ReportMetric(float64(sent)/float64(watchers*(b.N+1)), "B/event")
		})
	}
}
