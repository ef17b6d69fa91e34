package cell

import (
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"
)

// dots is every dot of runs.
func dots(lists ...[]Run) map[Dot]bool {
	out := map[Dot]bool{}
	for _, runs := range lists {
		for _, r := range runs {
			for n := range r.Len {
				out[Dot{r.O, r.From + n}] = true
			}
		}
	}
	return out
}

func randomRuns(rnd *rand.Rand, n int) []Run {
	var out []Run
	for range rnd.IntN(n + 1) {
		out = append(out, Run{Origin(1 + rnd.Uint64N(3)), 1 + rnd.Uint64N(60), rnd.Uint64N(4)})
	}
	return out
}

// What MergePrev returns is the naive union, in runs that do not touch; when
// cut it is a part of the union, and the newest are in it.
func TestMergePrevIsTheUnion(t *testing.T) {
	rnd := rand.New(rand.NewPCG(4, 1))
	cuts := 0
	for range 100_000 {
		over := Dot{Origin(1 + rnd.Uint64N(3)), 1 + rnd.Uint64N(60)}
		displaced, prev := randomRuns(rnd, 8), randomRuns(rnd, 16)
		before := slices.Concat(displaced, prev)
		got, cut := MergePrev(over, displaced, prev)
		if !slices.Equal(slices.Concat(displaced, prev), before) {
			t.Fatal("it wrote into its arguments")
		}
		have, want := dots(got), dots([]Run{RunOf(over)}, displaced, prev)
		for d := range have {
			if !want[d] {
				t.Fatalf("%v came from nowhere", d)
			}
		}
		if len(got) > MaxRuns || cut != (len(have) < len(want)) {
			t.Fatalf("%d runs, %d of %d dots, cut %v", len(got), len(have), len(want), cut)
		}
		if !got[0].Has(over) {
			t.Fatalf("%v is not first in %v", over, got)
		}
		for i, a := range got {
			for _, b := range got[i+1:] {
				if touch(a, b) {
					t.Fatalf("%v and %v should be one run", a, b)
				}
			}
		}
		if cut {
			cuts++
		}
	}
	if cuts == 0 {
		t.Error("nothing was ever cut")
	}
}

func TestMergePrevOrder(t *testing.T) {
	got, cut := MergePrev(Dot{1, 9}, []Run{{2, 5, 1}}, []Run{{3, 1, 2}, {1, 7, 2}, {2, 1, 3}})
	want := []Run{{1, 7, 3}, {2, 5, 1}, {3, 1, 2}, {2, 1, 3}}
	if !reflect.DeepEqual(got, want) || cut {
		t.Errorf("got %v, %v, want %v", got, cut, want)
	}
}

func TestMergePrevCutsTheOldest(t *testing.T) {
	var prev []Run
	for n := range uint64(MaxRuns) {
		prev = append(prev, Run{2, 100 - 2*n, 1})
	}
	got, cut := MergePrev(Dot{1, 1}, nil, prev)
	if want := append([]Run{{1, 1, 1}}, prev[:MaxRuns-1]...); !reflect.DeepEqual(got, want) || !cut {
		t.Errorf("got %v, cut %v, want %v", got, cut, want)
	}
	// A dot that joins two runs makes room.
	if got, cut := MergePrev(Dot{2, 99}, nil, prev); cut || len(got) != MaxRuns-1 || got[0] != (Run{2, 98, 3}) {
		t.Errorf("got %v, cut %v", got, cut)
	}
}

// A key that one origin overwrites all the time has a Prev of one run.
func TestHotKeyIsOneRun(t *testing.T) {
	s := &Stored{Cell: New(Spec{Addr: At("k", "r"), Ver: Ver{T: 1, O: 7, N: 1}})}
	for n := uint64(2); n <= 10_000; n++ {
		prev, cut := s.Replaced()
		s = &Stored{Cell: New(Spec{Addr: s.Addr, Ver: Ver{T: 1, O: 7, N: n}, Prev: prev, PrevCut: cut})}
	}
	if got, want := s.PrevRuns(), []Run{{7, 1, 9999}}; !slices.Equal(got, want) || s.PrevWasCut() {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestReplaced(t *testing.T) {
	over := New(Spec{Addr: At("k", "e"), Ver: Ver{T: 1, O: 7, N: 5}, By: Dot{8, 2}, Prev: []Run{{7, 1, 2}}, PrevCut: true})
	s := over.Keep().Over([]Run{{9, 1, 1}})
	prev, cut := s.Replaced()
	if want := []Run{{8, 2, 1}, {9, 1, 1}, {7, 1, 2}}; !slices.Equal(prev, want) || !cut {
		t.Errorf("got %v, %v, want %v and the cut passed on", prev, cut, want)
	}
}

func TestAppendDot(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 1))
	for range 2000 {
		var runs []Run
		want := map[Dot]bool{}
		for range 30 {
			d := Dot{Origin(rnd.Uint64N(2)), rnd.Uint64N(20)}
			if Contains(runs, d) != want[d] {
				t.Fatalf("Contains(%v, %v): got %v", runs, d, !want[d])
			}
			before := slices.Clone(runs)
			next := AppendDot(runs, d)
			if !slices.Equal(runs, before) {
				t.Fatal("it wrote into its argument")
			}
			runs, want[d] = next, true
			if !reflect.DeepEqual(dots(runs), want) {
				t.Fatalf("got %v, want %v", runs, want)
			}
		}
	}
}

func TestRunsAtTheEndOfTheNumbers(t *testing.T) {
	const end = math.MaxUint64
	r := Run{1, end - 1, end} // longer than there are numbers
	if !r.Has(Dot{1, end}) || r.Has(Dot{1, 5}) {
		t.Errorf("%v has the wrong dots", r)
	}
	got, _ := MergeRuns([]Run{r}, []Run{{1, 1, 2}, {1, end - 3, 2}})
	if want := []Run{{1, end - 3, 4}, {1, 1, 2}}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestUnionIsIncludingOneByOne joins lists that touch, overlap, lie within each
// other and end at the end of the numbers.
func TestUnionIsIncludingOneByOne(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 3))
	list := func() []Span {
		var out []Span
		for range rnd.IntN(30) {
			from := 1 + rnd.Uint64N(200)
			if rnd.IntN(20) == 0 {
				from = math.MaxUint64 - rnd.Uint64N(5)
			}
			out = include(out, Span{from, 1 + rnd.Uint64N(12)})
		}
		return out
	}
	for range 20_000 {
		a, b := list(), list()
		want := slices.Clone(a)
		for _, x := range b {
			want = include(want, x)
		}
		if got := union(a, b); !slices.Equal(got, want) {
			t.Fatalf("%v and %v: got %v, want %v", a, b, got, want)
		}
	}
}

// TestLongListsJoinInTimeOfTheirLengths joins two lists of 200,000 spans, each of
// which fills the gaps of the other. One by one that moves 10^11 bytes.
func TestLongListsJoinInTimeOfTheirLengths(t *testing.T) {
	odd, even := make([]Span, 200_000), make([]Span, 200_000)
	for i := range odd {
		odd[i], even[i] = Span{uint64(4*i + 1), 1}, Span{uint64(4*i + 3), 1}
	}
	e := Context{}.Edit()
	e.Merge(NewEntry(7, 1, odd))
	began := time.Now()
	e.Merge(NewEntry(7, 1, even))
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("took %v", took)
	}
	if got := e.Context().Spans(); got != len(odd)+len(even) {
		t.Errorf("%d spans, want %d", got, len(odd)+len(even))
	}
}
