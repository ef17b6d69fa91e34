package engine

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/starlingkv/starling/internal/cell"
)

// history lets three engines write at random, and hear each other now and then,
// and returns every cell in the order in which it was written.
func history(t *testing.T, rnd *rand.Rand) []*cell.Cell {
	var all []*cell.Cell
	var writers [3]*bench
	for i := range writers {
		writers[i] = newBench(t, cell.Origin(i+1), func(c *Config) { c.SweepPerStep = 1 + rnd.IntN(4) })
	}
	for range 5 + rnd.IntN(30) {
		b := writers[rnd.IntN(len(writers))]
		key := fmt.Sprintf("k%d", rnd.IntN(2))
		w := Write{Addr: cell.At(key, "r"), Body: []byte{byte(rnd.Uint32())}}
		switch rnd.IntN(8) {
		case 0, 1:
			w = Write{Addr: cell.FloorOf(key), Tomb: true}
		case 2:
			w.Addr, w.Born = cell.At(key, "c"+fmt.Sprint(b.e.Origin())), b.e.Now()
		case 3:
			w.Addr = cell.At(key, fmt.Sprintf("mf%d\x00\x00", rnd.IntN(3)))
		case 4:
			w.Exp = b.now.Wall + 1 + rnd.Int64N(3_600_000)
		case 5:
			w.Addr, w.Tomb, w.Body = cell.At(key, fmt.Sprintf("mf%d\x00\x00", rnd.IntN(3))), true, nil
		case 6:
			w.Place = b.e.Now() + 1
		}
		all = append(all, b.commit(w))
		b.pass(time.Duration(rnd.IntN(3)) * time.Millisecond)
		if rnd.IntN(2) == 0 {
			writers[rnd.IntN(len(writers))].join(all[rnd.IntN(len(all))])
		}
	}
	return all
}

// TestLawsOfStates joins random histories in random orders, some cells twice.
// L2: the normal form does not depend on the order, nor on what was dead when it
// came. L3: who has all but one write and takes that has what its writer has.
func TestLawsOfStates(t *testing.T) {
	const cases = 2000
	for seed := range uint64(cases) {
		rnd := rand.New(rand.NewPCG(seed, 23))
		all := history(t, rnd)
		want := newBench(t, 9, nil)
		for _, c := range all {
			want.join(c)
		}
		some := newBench(t, 8, nil)
		other := newBench(t, 7, func(c *Config) { c.SweepPerStep = 1 })
		for _, i := range rnd.Perm(len(all)) {
			other.join(all[i])
			other.join(all[rnd.IntN(len(all))])
			if i != len(all)-1 {
				some.join(all[i])
			}
		}
		some.join(all[len(all)-1])
		for name, b := range map[string]*bench{"in another order": other, "the last write last": some} {
			got, is := cellsOf(b), cellsOf(want)
			if !slices.Equal(got, is) || b.e.Root().Tree.Agg().FP != want.e.Root().Tree.Agg().FP {
				t.Fatalf("seed %d, %s: got\n%q, want\n%q", seed, name, got, is)
			}
			for _, c := range all {
				if !b.e.Root().Ctx.Has(c.Dot()) {
					t.Fatalf("seed %d, %s: %v of %q is not remembered", seed, name, c.Dot(), c.Addr)
				}
			}
		}
	}
}

func cellsOf(b *bench) []string {
	var out []string
	for s := range b.e.Root().Tree.All() {
		if floor := b.e.at(s.Addr.Floor()); floor != nil && s.DeadUnder(floor.Cell) {
			out = append(out, "dead and stored")
		}
		out = append(out, fmt.Sprint(string(s.Addr), s.Dot()))
	}
	return out
}
