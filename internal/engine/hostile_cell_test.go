package engine

import (
	"testing"
	"time"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/hlc"
)

// TestNoTimeOfACellPoisonsTheClock offers cells that carry a time of the year
// 2100 in each place that a later write must be above. Taken, it would be in the
// next version of this node, which then could not write any more.
func TestNoTimeOfACellPoisonsTheClock(t *testing.T) {
	far := hlc.Make(time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli(), 0)
	for name, spoil := range map[string]func(*cell.Spec){
		"T":    func(s *cell.Spec) { s.Ver.T = far },
		"Ord":  func(s *cell.Spec) { s.Ord = far },
		"Born": func(s *cell.Spec) { s.Born = far },
	} {
		b := newBench(t, 1, nil)
		spec := cell.Spec{Addr: cell.At("k", "c12345678"), Ver: cell.Ver{T: hlc.Make(wallStart, 0), O: 7, N: 1}, Body: []byte{1, 1}}
		spoil(&spec)
		c := cell.New(spec)
		h := b.e.Hasher()
		h.Seal(c)
		if v := b.join(c); v != refused || b.told(EventRefusedSkew) != 1 {
			t.Errorf("%s in 2100: %v, told %d times, want it refused and told once", name, v, b.told(EventRefusedSkew))
		}
		if b.e.Root().Ctx.Has(c.Dot()) {
			t.Errorf("%s in 2100: the dot of what was refused entered", name)
		}
		b.put("k", "v")
		b.del("k")
		if got := b.put("k", "again").Ver.T; got >= far {
			t.Errorf("%s in 2100: the next version has the time %v", name, got)
		}
	}
}
