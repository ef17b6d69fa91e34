package bench

import (
	"bytes"
	"compress/lzw"
	"encoding/binary"
	"slices"
	"strings"
	"testing"
	"time"
)

// replica is a Reader of what it holds.
type replica map[string]string

func (r replica) List(prefix string) []string {
	var keys []string
	for k := range r {
		if strings.HasPrefix(k, prefix) {
			keys = append(keys, k)
		}
	}
	return keys
}

func (r replica) Get(key string) []byte { return []byte(r[key]) }

// TestAgreed holds replicas to be told apart by any key and any value.
func TestAgreed(t *testing.T) {
	one := replica{"a": "1", "b": "2"}
	if err := new(Report).agreed(one, replica{"b": "2", "a": "1"}); err != nil {
		t.Errorf("equal replicas: %v", err)
	}
	for _, other := range []replica{{"a": "1"}, {"a": "1", "b": "3"}, {"a": "1", "c": "2"}, {"a": "12", "b": ""}, {}} {
		if err := new(Report).agreed(one, other); err == nil {
			t.Errorf("%v passed for %v", other, one)
		}
	}
	r := &Report{}
	if err := r.agreed(one); err != nil || r.State == "" {
		t.Errorf("got state %q, %v", r.State, err)
	}
}

func TestValue(t *testing.T) {
	v := Value("k", 1)
	if len(v) != ValueSize || !bytes.Equal(v, Value("k", 1)) || bytes.Equal(v, Value("k", 2)) || bytes.Equal(v, Value("l", 1)) {
		t.Error("a value must follow from its key and generation, and from nothing else")
	}
}

// TestTokens holds the tokens of a table to be those of a ring: no two instances
// share one, and they do not compress.
func TestTokens(t *testing.T) {
	const rows, each = 2000, 128
	seen := make(map[uint32]bool)
	var raw, packed bytes.Buffer
	w := lzw.NewWriter(&packed, lzw.LSB, 8)
	for i := range rows {
		tokens := MakeInstance(i, each, 1).Tokens
		for _, token := range tokens {
			seen[token] = true
			raw.Write(binary.LittleEndian.AppendUint32(nil, token))
		}
		if len(tokens) != each || !slices.IsSorted(tokens) {
			t.Fatalf("instance %d has %d tokens, want %d in order", i, len(tokens), each)
		}
	}
	if _, err := w.Write(raw.Bytes()); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if len(seen) != rows*each || packed.Len() < raw.Len() {
		t.Errorf("%d of %d tokens differ, %d bytes become %d, want all, and no fewer", len(seen), rows*each, raw.Len(), packed.Len())
	}
}

func TestRace(t *testing.T) {
	a := newRace(2)
	first, second := Value("k", 1), Value("k", 2)
	a.start(0, first)
	a.start(1, second)
	a.saw(0, first)
	a.saw(0, []byte("a value of nobody"))
	a.saw(1, second) // without having been told of the first
	if took := a.await(0, 0); took[0] == 0 || took[1] >= time.Minute {
		t.Errorf("got %v, want that both nodes saw the first", took)
	}
	if took := a.await(1, 0); took[0] >= time.Minute || took[1] != time.Hour {
		t.Errorf("got %v, want that one node never saw the second", took)
	}
}

func TestQuantile(t *testing.T) {
	v := []int{5, 1, 4, 2, 3, 6, 7, 8, 9, 10}
	if got := [3]float64{quantile(v, .5), quantile(v, .9), quantile(v, 1)}; got != [3]float64{6, 10, 10} {
		t.Errorf("got %v", got)
	}
}

// TestPerCall holds the meter to the calls it makes, and to what they allocate.
func TestPerCall(t *testing.T) {
	var kept []byte
	calls := 0
	from := time.Now()
	c := perCall(func() {
		calls++
		kept = make([]byte, 4096)
	})
	if most := float64(time.Since(from)); len(kept) == 0 || c.took <= 0 || c.took*float64(calls) > 3*most {
		t.Errorf("%v ns for each of %d calls, %v ns in all", c.took, calls, most)
	}
	if c.bytes < 4096 || c.bytes > 5000 || c.allocs < 1 || c.allocs > 1.1 {
		t.Errorf("got %v bytes in %v allocations, want 4096 in one", c.bytes, c.allocs)
	}
}

// TestGrown puts the middle one of each row beside that of the smaller size.
func TestGrown(t *testing.T) {
	of := func(values ...float64) (all []Report) {
		for _, v := range values {
			var r Report
			r.add("first", Nanoseconds, v)
			r.add("second", Bytes, 10*v)
			all = append(all, r)
		}
		return all
	}
	var r Report
	r.grown(of(3, 1, 2), of(9, 7, 8))
	want := []Row{{Name: "first", Unit: Nanoseconds, Value: 8, Tenth: 2}, {Name: "second", Unit: Bytes, Value: 80, Tenth: 20}}
	if !slices.Equal(r.Rows, want) {
		t.Errorf("got %+v, want %+v", r.Rows, want)
	}
}

func TestMainRefuses(t *testing.T) {
	var out, errs bytes.Buffer
	if code := Main(nobody{}, []string{"no-topic"}, &out, &errs); code != 1 || !strings.Contains(errs.String(), "no such topic") {
		t.Errorf("got exit code %d and %q", code, errs.String())
	}
	if !slices.Contains(Names(), "converge-64") {
		t.Errorf("got topics %q", Names())
	}
}

// nobody is a system without nodes.
type nobody struct{}

func (nobody) Name() string                       { return "nobody" }
func (nobody) Start(string, string) (Node, error) { return nil, errWrong }
func (nobody) Pair() (Pair, error)                { return nil, errWrong }

func (nobody) StartRegistry(string, string) (Registry, error) { return nil, errWrong }
func (nobody) Receiver(int, int) (Receiver, error)            { return nil, errWrong }
