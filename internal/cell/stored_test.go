package cell

import (
	"math/rand/v2"
	"runtime"
	"strconv"
	"testing"

	"github.com/starlingkv/starling/internal/tree"
)

func TestStoredAgg(t *testing.T) {
	at := At("k", "r")
	for name, tc := range map[string]struct {
		spec Spec
		live uint64
		top  uint64
	}{
		"value":     {Spec{Addr: at, Body: []byte("v"), Ver: Ver{T: 3}, Ord: 9}, 1, 9},
		"expiring":  {Spec{Addr: at, Exp: 77, Ver: Ver{T: 3}, Ord: 9, Born: 2}, 1, 2},
		"tombstone": {Spec{Addr: at, Tomb: true, Ver: Ver{T: 3}}, 0, 3},
		"Floor":     {Spec{Addr: FloorOf("k"), Tomb: true}, 0, 0},
	} {
		s := &Stored{Cell: sealed(tc.spec), Rev: 5, Applied: 6}
		fp := lanes(s.Hash())
		want := tree.Agg{Count: 1, Live: tc.live, FP: fp, MaxRev: 5, MinExp: tc.spec.Exp, Top: tc.top}
		if tc.live == 1 {
			want.FPLive = fp
		}
		if got := s.Agg(); got != want {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
		if got := s.Print(); got != want.FPLive {
			t.Errorf("%s: its print is %x, want %x", name, got, want.FPLive)
		}
	}
	hidden := &Stored{Cell: sealed(Spec{Addr: at, Exp: 77}), Hidden: true}
	if got, want := hidden.Agg(), (tree.Agg{Count: 1, FP: lanes(hidden.Hash())}); got != want {
		t.Errorf("hidden: got %+v, want %+v", got, want)
	}
}

// Law L5 on cells: equal fingerprints if and only if equal cells, in whatever
// order they came.
func TestLaw5(t *testing.T) {
	rnd := rand.New(rand.NewPCG(11, 1))
	for range 200 {
		var cells []*Cell
		for range 100 {
			c := randomCell(rnd)
			cells = append(cells, sealed(Spec{Addr: At(strconv.Itoa(rnd.IntN(40)), "r"), Ver: c.Ver, Tomb: c.Tomb, Body: c.Body}))
		}
		a := stored(cells)
		rnd.Shuffle(len(cells), func(i, j int) { cells[i], cells[j] = cells[j], cells[i] })
		b := stored(cells)
		if a.Agg().FP != b.Agg().FP {
			t.Fatal("the order of arrival is in the fingerprint")
		}
		e := b.Edit()
		e.Put(&Stored{Cell: sealed(Spec{Addr: a.At(3).Addr, Ver: Ver{9, 9, 9}})})
		if e.Tree().Agg().FP == a.Agg().FP {
			t.Fatal("another cell has the same fingerprint")
		}
	}
}

// stored joins cells into a tree.
func stored(cells []*Cell) tree.Tree[*Stored] {
	e := tree.Tree[*Stored]{}.Edit()
	for _, c := range cells {
		if old, ok := e.Get(string(c.Addr)); ok && Join(old.Cell, c) == old.Cell {
			continue
		}
		e.Put(c.Keep())
	}
	return e.Tree()
}

// A key of 20 bytes with a value of 32 costs at most 300 bytes of heap, its
// part of the tree and its address and body included.
func TestMemoryPerKey(t *testing.T) {
	const keys = 100_000
	before := heap()
	e := tree.Tree[*Stored]{}.Edit()
	for n, i := range rand.New(rand.NewPCG(1, 1)).Perm(keys) {
		body := make([]byte, 32)
		c := sealed(Spec{Addr: At("registry/"+strconv.Itoa(10_000_000_000+i), "r"), Ver: Ver{1, 7, uint64(n)}, Body: body})
		st := c.Keep()
		st.Rev = uint64(n)
		e.Put(st)
		if n%64 == 0 {
			e.Tree()
		}
	}
	tr := e.Tree()
	per := (heap() - before) / keys
	if per > 300 {
		t.Errorf("%d bytes per key, want at most 360", per)
	}
	t.Logf("%d bytes per key", per)
	runtime.KeepAlive(tr)
	runtime.KeepAlive(e)
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func BenchmarkPutStored(b *testing.B) {
	const keys = 100_000
	e := tree.Tree[*Stored]{}.Edit()
	cells := make([]*Cell, keys)
	for n, i := range rand.New(rand.NewPCG(1, 1)).Perm(keys) {
		cells[n] = sealed(Spec{Addr: At("registry/"+strconv.Itoa(10_000_000_000+i), "r"), Ver: Ver{1, 7, uint64(n)}})
		e.Put(cells[n].Keep())
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		e.Put(&Stored{Cell: cells[n%keys], Rev: uint64(n)})
		e.Tree()
		n++
	}
}
