package memkv_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/memkv"
)

func TestVersionsAreOfOneStoreAndOneWrite(t *testing.T) {
	a, b := memkv.New(kv.String), memkv.New(kv.String)
	defer a.Close()
	defer b.Close()
	seen := map[string]bool{}
	for range 3 {
		for _, c := range []*memkv.Client{a, b} {
			version := put(t, c, "k", "same")
			if seen[version] {
				t.Errorf("version %q twice", version)
			}
			seen[version] = true
			if err := c.Delete(t.Context(), "k"); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestRemoveComparesOnlyWhatIsThere(t *testing.T) {
	c := memkv.New(kv.String)
	defer c.Close()
	if err := c.Remove(t.Context(), "k", kv.IfVersion("gone")); err != nil {
		t.Errorf("absent: got %v, want nil", err)
	}
	version := put(t, c, "k", "v")
	for _, stale := range []string{"", version + "0"} {
		if err := c.Remove(t.Context(), "k", kv.IfVersion(stale)); !errors.Is(err, kv.ErrConflict) {
			t.Errorf("version %q: got %v, want ErrConflict", stale, err)
		}
	}
	if err := c.Remove(t.Context(), "k", kv.IfVersion(version)); err != nil {
		t.Error(err)
	}
	if _, ok, err := c.Entry(t.Context(), "k"); ok || err != nil {
		t.Errorf("got %v, %v after Remove, want nothing", ok, err)
	}
}

func TestPrefixesOfBytesAreRanges(t *testing.T) {
	c := memkv.New(kv.String)
	defer c.Close()
	for _, key := range []string{"a", "a/", "a/b", "a0", "é", "\U0010ffff", "\U0010ffff!"} {
		put(t, c, key, "v")
	}
	for prefix, want := range map[string]string{
		"":            "a a/ a/b a0 é \U0010ffff \U0010ffff!",
		"a/":          "a/ a/b",
		"\xc3":        "é",
		"\U0010ffff":  "\U0010ffff \U0010ffff!",
		"\xff":        "",
		"a/\x00":      "",
		"a/b/c/d/e/f": "",
	} {
		keys, err := c.List(t.Context(), prefix)
		if err != nil || strings.Join(keys, " ") != want {
			t.Errorf("prefix %q: got %q, %v, want %q", prefix, keys, err, want)
		}
	}
}

// A counter that every goroutine adds to, and every goroutine keeps on its own key: no CAS sees less than it must.
func TestConcurrentCASSeesAllEarlierOnes(t *testing.T) {
	c := memkv.New(kv.JSON[int]("int"))
	defer c.Close()
	const writers, adds = 4, 200
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for n := 0; n < adds; {
				err := c.CAS(t.Context(), "sum", add)
				switch {
				case err == nil:
					n++
				case !errors.Is(err, kv.ErrConflict):
					t.Errorf("writer %d: %v", w, err)
					return
				}
				if err := c.CAS(t.Context(), fmt.Sprint("own/", w), add); err != nil {
					t.Errorf("writer %d, alone on its key: %v", w, err)
					return
				}
			}
		})
	}
	wg.Wait()
	if got, err := c.Get(t.Context(), "sum"); got != writers*adds || err != nil {
		t.Errorf("got %v, %v, want %d", got, err, writers*adds)
	}
	if st := c.Stats().CAS; st.Attempts < st.Successes || st.Successes < writers*adds {
		t.Errorf("got %+v, want every success counted and no more of them than attempts", st)
	}
}

func add(in any) (any, bool, error) {
	n, _ := in.(int)
	return n + 1, true, nil
}

func BenchmarkGet(b *testing.B) {
	c := memkv.New(kv.Bytes)
	defer c.Close()
	for i := range 10_000 {
		if _, err := c.Put(b.Context(), fmt.Sprint("key/", i), []byte("thirty-two bytes of a small value")); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Get(b.Context(), "key/5000"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCAS(b *testing.B) {
	c := memkv.New(kv.JSON[int]("int"))
	defer c.Close()
	b.ReportAllocs()
	for b.Loop() {
		if err := c.CAS(b.Context(), "sum", add); err != nil {
			b.Fatal(err)
		}
	}
}
