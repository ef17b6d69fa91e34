package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/httpkv"
	"github.com/starlingkv/starling/web"
)

// The real input: this many keys, a tenth of which are written twice.
const (
	realKeys    = 20_000
	realDeletes = 5_000
	smallest    = 10
	largest     = 64 << 10
	realBytes   = 40e6
)

// TestRealInput runs three processes on a real file of keys: import through one, every byte on all, a watcher that misses
// nothing, then deletes and a power cut.
func TestRealInput(t *testing.T) {
	want, file := realInput(t)
	dir := t.TempDir()
	name := filepath.Join(dir, "keys.jsonl")
	if err := os.WriteFile(name, file, 0o600); err != nil {
		t.Fatal(err)
	}
	n1 := start(t, "--cluster", "real", "--name", "n1", "--bind", "127.0.0.1:0", "--http", "127.0.0.1:0")
	n2 := start(t, "--cluster", "real", "--name", "n2", "--bind", "127.0.0.1:0", "--http", "127.0.0.1:0", "--seed", n1.Gossip)
	n3 := start(t, "--cluster", "real", "--name", "n3", "--bind", "127.0.0.1:0", "--http", "127.0.0.1:0", "--seed", n1.Gossip, "--seed", n2.Gossip)
	onSecond := watchByBinary(t, n2, want)
	onThird := watchByClient(t, n3.client(t), want)

	began := time.Now()
	if _, talk, code := verb(t, nil, "import", name, "--addr", n1.HTTP); code != exitOK || !strings.Contains(talk, fmt.Sprintf("imported %d keys", realKeys+realKeys/10)) {
		t.Fatalf("import: exit code %d\n%s", code, talk)
	}
	imported := time.Now()
	t.Logf("imported in %v", imported.Sub(began))
	onSecond.wait(t, "the watcher on n2 has not seen every key's last value")
	onThird.wait(t, "n3 does not have every key's last value")
	t.Logf("told everywhere %v later", time.Since(imported))
	for _, n := range []*process{n1, n2, n3} {
		n.holds(t, want)
	}
	// An agreement leaves out the last ten seconds; so wait until those do not reach into the import.
	<-time.After(time.Until(imported.Add(11 * time.Second)))
	for _, n := range []*process{n1, n2, n3} {
		n.agrees(t, imported, time.Minute)
	}

	want = removeSome(t, n2.client(t), want)
	n3.kill()
	again := time.Now()
	n3 = start(t, "--cluster", "real", "--name", "n3", "--bind", n3.Gossip, "--http", "127.0.0.1:0", "--seed", n1.Gossip, "--seed", n2.Gossip)
	n3.agrees(t, time.Time{}, 10*time.Second)
	took := time.Since(again)
	watchByClient(t, n3.client(t), want).wait(t, "n3 does not have everything back")
	t.Logf("agrees again after %v, everything was read back after %v", took, time.Since(again))
	if took > 10*time.Second {
		t.Errorf("n3 agrees again only after %v, want 10s", took)
	}
	for _, n := range []*process{n1, n2, n3} {
		n.holds(t, want)
	}
}

// realInput makes the file, and what must be there in the end.
func realInput(t *testing.T) (want map[string][]byte, file []byte) {
	t.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	want = make(map[string][]byte, realKeys)
	var out bytes.Buffer
	total := 0
	for i := range realKeys {
		key := realKey(i)
		want[key] = realValue(random, i)
		total += len(want[key])
		if i%10 == 0 {
			out.Write(jsonLine(t, key, []byte("an older value"))) // the last line of a key counts
		}
		out.Write(jsonLine(t, key, want[key]))
	}
	if total < realBytes || total > 1.1*realBytes || len(want) != realKeys {
		t.Fatalf("made %d keys of %d bytes", len(want), total)
	}
	return want, out.Bytes()
}

// realKey is a key of one of the forms that people use, and some that only few do.
func realKey(i int) string {
	switch i % 8 {
	case 0:
		return fmt.Sprintf("/registry/pods/%05d", i)
	case 1:
		return fmt.Sprintf("grün/%d", i)
	case 2:
		return fmt.Sprintf("a//../%d?x=1&y#z", i)
	}
	return fmt.Sprintf("service/%d/instance/%d", i%40, i)
}

// realValue is small for most keys, text or not, and sometimes as large as it may be.
func realValue(random *rand.Rand, i int) []byte {
	size := int(smallest * math.Pow(20, random.Float64()))
	switch {
	case i == 0:
		size = smallest
	case i == 1:
		size = largest
	case i%11 < 3:
		size = int(smallest * math.Pow(float64(largest)/smallest, random.Float64()))
	}
	v := make([]byte, size)
	for j := range v {
		v[j] = byte(random.Uint32())
		if i%2 == 0 {
			v[j] = ' ' + v[j]%95
		}
	}
	return v
}

func jsonLine(t *testing.T, key string, value []byte) []byte {
	t.Helper()
	l := map[string]any{"key": key, "value_base64": value}
	if isText(value) {
		l = map[string]any{"key": key, "value": string(value)}
	}
	b, err := json.Marshal(l)
	if err != nil {
		t.Fatal(err)
	}
	return append(b, '\n')
}

func isText(b []byte) bool {
	return !slices.ContainsFunc(b, func(c byte) bool { return c < ' ' || c > '~' })
}

// sight is what a watcher has seen: it is complete when it has seen exactly what is wanted.
type sight struct {
	want         map[string][]byte
	right, other map[string]bool // keys seen with the wanted value last, and with another one
	complete     chan struct{}
	once         sync.Once
}

func newSight(want map[string][]byte) *sight {
	return &sight{want: want, right: map[string]bool{}, other: map[string]bool{}, complete: make(chan struct{})}
}

// put and delete tell of an event; they are called by one goroutine.
func (s *sight) put(key string, value []byte) {
	w, known := s.want[key]
	if known && bytes.Equal(w, value) {
		s.right[key] = true
		delete(s.other, key)
	} else {
		s.other[key] = true
		delete(s.right, key)
	}
	s.look()
}

func (s *sight) delete(key string) {
	delete(s.right, key)
	delete(s.other, key)
	s.look()
}

func (s *sight) look() {
	if len(s.right) == len(s.want) && len(s.other) == 0 {
		s.once.Do(func() { close(s.complete) })
	}
}

// wait waits until the watcher has seen everything.
func (s *sight) wait(t *testing.T, otherwise string) {
	t.Helper()
	select {
	case <-s.complete:
	case <-time.After(2 * time.Minute):
		t.Fatal(otherwise)
	}
}

// watchByBinary watches all keys of a process with "starling watch".
func watchByBinary(t *testing.T, n *process, want map[string][]byte) *sight {
	t.Helper()
	s := newSight(want)
	cmd := exec.CommandContext(t.Context(), binary(t), "watch", "--prefix", "", "-o", "jsonl", "--addr", n.HTTP)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	synced, ended := make(chan struct{}), make(chan struct{})
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
	})
	go func() {
		defer close(ended)
		in := bufio.NewReader(out)
		for {
			b, err := in.ReadBytes('\n')
			var e record
			if err != nil || json.Unmarshal(b, &e) != nil {
				_, _ = io.Copy(io.Discard, in)
				_ = cmd.Wait()
				return
			}
			switch {
			case e.Event == "sync":
				close(synced) // once: nothing breaks this stream
			case e.Event == "delete":
				s.delete(e.Key)
			case e.Value != nil:
				s.put(e.Key, []byte(*e.Value))
			case e.ValueBase64 != nil:
				s.put(e.Key, *e.ValueBase64)
			}
		}
	}()
	select {
	case <-synced:
	case <-time.After(30 * time.Second):
		t.Fatal("the watch does not begin")
	}
	return s
}

// watchByClient watches all keys of a process through its API.
func watchByClient(t *testing.T, c *httpkv.Client, want map[string][]byte) *sight {
	t.Helper()
	s := newSight(want)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	go func() {
		defer close(ended)
		for ev, err := range c.Events(ctx, "") {
			switch {
			case err != nil:
				return
			case ev.Kind == kv.Put:
				s.put(ev.Key, ev.Value.([]byte))
			case ev.Kind == kv.Delete:
				s.delete(ev.Key)
			}
		}
	}()
	return s
}

// holds fails the test unless the process has exactly these keys and bytes.
func (p *process) holds(t *testing.T, want map[string][]byte) {
	t.Helper()
	seen := 0
	for e, err := range p.client(t).Entries(t.Context(), "", "") {
		if err != nil {
			t.Fatalf("%s: %v", p.Node, err)
		}
		if w, known := want[e.Key]; !known || !bytes.Equal(w, e.Value.([]byte)) {
			t.Fatalf("%s: %q has %d bytes; known %v, want %d", p.Node, e.Key, e.Size, known, len(w))
		}
		seen++
	}
	if seen != len(want) {
		t.Fatalf("%s holds %d keys, want %d", p.Node, seen, len(want))
	}
}

// agrees waits until the process says that all three agree, on everything of before since.
func (p *process) agrees(t *testing.T, since time.Time, limit time.Duration) {
	t.Helper()
	overdue := time.After(limit)
	look := time.NewTicker(250 * time.Millisecond)
	defer look.Stop()
	for {
		out, talk, code := verb(t, nil, "status", "-o", "json", "--addr", p.HTTP)
		var s web.Status
		if err := json.Unmarshal([]byte(out), &s); err != nil {
			t.Fatalf("%s: status: %v in %q, exit code %d\n%s", p.Node, err, out, code, talk)
		}
		a := s.Agreement
		if all := s.Ready && a.Agree == 3 && a.Members == 3; all != (code == exitOK) && a.Members == 3 {
			t.Fatalf("%s: exit code %d for %s", p.Node, code, out)
		} else if all && !a.AsOf.Before(since) {
			return
		}
		select {
		case <-look.C:
		case <-overdue:
			t.Fatalf("%s: no agreement within %v: %s", p.Node, limit, out)
		}
	}
}

// removeSome deletes keys and returns what is left.
func removeSome(t *testing.T, c *httpkv.Client, want map[string][]byte) map[string][]byte {
	t.Helper()
	left := maps.Clone(want)
	keys := make(chan string)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for key := range keys {
				if err := c.Delete(t.Context(), key); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range realDeletes {
		key := realKey(4*i + 1)
		delete(left, key)
		keys <- key
	}
	close(keys)
	wg.Wait()
	if len(left) != realKeys-realDeletes {
		t.Fatalf("%d keys are left", len(left))
	}
	return left
}
