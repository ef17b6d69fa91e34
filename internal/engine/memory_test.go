package engine

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/hlc"
	"github.com/starlingkv/starling/internal/wire"
)

func TestCollectionWaitsForAgeAndPeer(t *testing.T) {
	b := newBench(t, 1, nil)
	b.step(PeersChanged{View: NewView([]Peer{{Name: "p", Origin: 9}})})
	old := b.put("k", "1")
	b.del("k")
	tombs := func() int { return b.e.Root().Tree.Len() }
	b.pass(9 * time.Minute)
	b.e.lastYes = b.now.Mono
	b.pass(time.Minute)
	if tombs() != 1 {
		t.Fatal("collected before its age")
	}
	b.e.lastYes = -1
	b.pass(5 * time.Minute)
	if tombs() != 1 {
		t.Fatal("collected before a peer said that it has it")
	}
	b.e.lastYes = b.now.Mono
	b.pass(time.Minute)
	if tombs() != 0 || b.told(EventCollected) != 1 {
		t.Fatal("not collected after its age and a peer's word")
	}
	if v := b.join(old); v != known {
		t.Fatalf("the old value after collection: %v, want %v", v, known)
	}
}

func TestCollectionIsWaivedAlone(t *testing.T) {
	b := newBench(t, 1, nil)
	b.put("k", "1")
	b.del("k")
	b.pass(12 * time.Minute)
	if n := b.e.Root().Tree.Len(); n != 0 {
		t.Fatalf("%d cells left with no peer to wait for", n)
	}
}

func TestCollectionCostsWhatIsDue(t *testing.T) {
	b := newBench(t, 1, nil)
	ancient := cell.New(cell.Spec{Addr: cell.At("k", "mf\x00\x00"), Ver: cell.Ver{T: hlc.Make(1, 0), O: 7, N: 1}, Tomb: true})
	b.e.hasher.Seal(ancient)
	b.join(ancient)
	b.pass(2 * time.Minute) // walking every epoch since 1970 would take 30 million steps
	if n := b.e.Root().Tree.Len(); n != 0 {
		t.Fatalf("%d cells left", n)
	}
}

func TestMillionTombstonesCollectInPortions(t *testing.T) {
	b := newBench(t, 1, nil)
	const n = 20_000
	for i := range n {
		c := cell.New(cell.Spec{Addr: cell.At("k", string(rune('A'+i%26))+string(rune(0x100+i))), Ver: cell.Ver{T: hlc.Make(wallStart-int64(i), 0), O: 7, N: uint64(i + 1)}, Tomb: true})
		b.e.hasher.Seal(c)
		b.join(c)
	}
	b.pass(12 * time.Minute)
	steps := 0
	for b.e.Root().Tree.Len() > 0 {
		if steps++; steps > n/collectPerStep+1 {
			t.Fatalf("%d cells left after %d steps", b.e.Root().Tree.Len(), steps)
		}
		if b.told(EventCollected) > collectPerStep {
			t.Fatalf("one step collected %d", b.told(EventCollected))
		}
		b.pass(time.Millisecond)
	}
}

func TestRetentionCountsFromTheLastDelete(t *testing.T) {
	b := newBench(t, 1, nil)
	old := newBench(t, 7, nil).put("k", "1")
	b.join(old)
	b.pass(300 * 24 * time.Hour)
	if !b.e.Root().Ctx.Has(old.Dot()) {
		t.Fatal("forgot an origin of which a cell is stored")
	}
	b.del("k")
	b.pass(29 * 24 * time.Hour)
	if v := b.join(old); v != known {
		t.Fatalf("29 days after the delete: %v, want %v", v, known)
	}
	b.pass(3 * 24 * time.Hour)
	if b.e.Root().Ctx.Has(old.Dot()) {
		t.Fatal("still remembered 32 days after the delete")
	}
}

func TestContextLimitForgetsTheOldest(t *testing.T) {
	b := newBench(t, 1, func(c *Config) { c.MaxCtxEntries = 10 })
	for i := range 30 {
		c := cell.New(cell.Spec{Addr: cell.At("k", "r"), Ver: cell.Ver{T: hlc.Make(wallStart-1000+int64(i), 0), O: cell.Origin(100 + i), N: 1}, Body: []byte("x")})
		b.e.hasher.Seal(c)
		b.join(c)
	}
	b.pass(time.Hour)
	if n := b.e.Root().Ctx.Len(); n > 10 {
		t.Fatalf("%d entries, the limit is 10", n)
	}
	if !b.e.Root().Ctx.Has(cell.Dot{O: 129, N: 1}) || b.e.Root().Ctx.Has(cell.Dot{O: 100, N: 1}) {
		t.Fatal("not the oldest were forgotten")
	}
}

func TestRestoreKeepsStateUnderAFreshOrigin(t *testing.T) {
	a := newBench(t, 1, nil)
	a.put("kept", "v")
	gone := a.put("gone", "v")
	a.del("gone")
	s := a.e.Snapshot()
	b := newBench(t, 2, func(c *Config) { c.Restore = s })
	b.want("kept", "v")
	b.want("gone", "-")
	if v := b.join(gone); v != known {
		t.Errorf("what was deleted before the restart: %v, want %v", v, known)
	}
	if c := b.put("new", "v"); c.Ver.T <= gone.Ver.T || c.Ver.O != 2 {
		t.Errorf("a write after the restart has version %v", c.Ver)
	}
	if b.e.Root().Tree.Agg().FP == a.e.Root().Tree.Agg().FP {
		t.Error("a new write does not change the fingerprint")
	}
}

func TestReturnerPastRetentionIsDiscarded(t *testing.T) {
	a := newBench(t, 1, nil)
	a.put("k", "v")
	s := a.e.Snapshot()
	s.At -= (30 * 24 * time.Hour).Milliseconds()
	b := New(Config{Cluster: "t", Name: "n", Origin: 2, Rand: rand.New(rand.NewPCG(1, 1)), Alone: true, Restore: s})
	fx := b.Step(hlc.Reading{Wall: wallStart}, Tick{})
	if b.Root().Tree.Len() != 0 || b.Root().Ctx.Len() != 0 {
		t.Fatal("state older than the cluster remembers was taken")
	}
	if len(fx.Events) == 0 || fx.Events[0].Kind != EventReturner {
		t.Fatalf("not told: %v", fx.Events)
	}
}

func TestExpiryHidesAndKeepsTheBytes(t *testing.T) {
	b := newBench(t, 1, nil)
	b.commit(Write{Addr: cell.At("k", "r"), Codec: "bytes", Body: []byte("v"), Exp: wallStart + 1000})
	fp := b.e.Root().Tree.Agg().FP
	b.pass(999 * time.Millisecond)
	b.want("k", "v")
	if b.fx.Wake > b.now.Mono+time.Millisecond {
		t.Errorf("wants to wake at %v, the cell expires at 1s", b.fx.Wake)
	}
	b.pass(time.Millisecond)
	b.want("k", "-")
	if len(b.fx.Changed) != 1 {
		t.Error("a watcher would not be woken by an expiry")
	}
	if b.e.Root().Tree.Agg().FP != fp {
		t.Error("an expiry changed the fingerprint")
	}
	b.pass(12 * time.Minute)
	if b.e.Root().Tree.Len() != 0 {
		t.Error("an expired cell is never collected")
	}
}

func TestMemoryOutlivesALateExpiry(t *testing.T) {
	b := newBench(t, 1, nil)
	far := newBench(t, 7, nil).commit(Write{Addr: cell.At("k", "r"), Codec: "bytes", Body: []byte("v"), Exp: wallStart + (40 * 24 * time.Hour).Milliseconds()})
	b.join(far)
	b.pass(40 * 24 * time.Hour)
	b.pass(time.Hour)
	if b.e.Root().Tree.Len() != 0 {
		t.Fatal("the expired cell was not collected")
	}
	b.pass(24 * time.Hour)
	if v := b.join(far); v != known {
		t.Fatalf("a cell that was collected a day ago: %v, want %v", v, known)
	}
	b.pass(32 * 24 * time.Hour)
	if b.e.Root().Ctx.Has(far.Dot()) {
		t.Fatal("still remembered 32 days after it was collected")
	}
}

func TestExpiredOnArrivalIsNeverSeen(t *testing.T) {
	b := newBench(t, 1, nil)
	late := newBench(t, 7, nil).commit(Write{Addr: cell.At("k", "r"), Codec: "bytes", Body: []byte("v"), Exp: wallStart + 1000})
	b.pass(time.Minute)
	if v := b.join(late); v != raised {
		t.Fatalf("an expired cell: %v", v)
	}
	b.want("k", "-")
}

// TestSmallKeysAreSmall holds the memory of small keys that came by gossip, when
// what spreads them has calmed down.
func TestSmallKeysAreSmall(t *testing.T) {
	const keys, most = 20_000, 400
	b := newBench(t, 1, nil)
	b.step(PeersChanged{View: NewView([]Peer{{Name: "seven", Origin: 7}, {Name: "eight", Origin: 8}})})
	codec := wire.New(cell.NewHasher("t"))
	before := liveHeap()
	at := hlc.Make(b.now.Wall, 0)
	for i, n := range rand.New(rand.NewPCG(1, 1)).Perm(keys) {
		at = max(at.Next(), hlc.Make(b.now.Wall, 0))
		c := cell.New(cell.Spec{
			Addr: cell.At(fmt.Sprintf("registry/k-%09d", n), "r"), Codec: "json", Body: make([]byte, 32),
			Ver: cell.Ver{T: at, O: 7, N: uint64(i + 1)},
		})
		raw, err := codec.Append(nil, wire.Frame{
			Header: wire.Header{Origin: 7, Now: at, Seq: uint64(i + 1)},
			Msg:    &wire.Delta{Groups: []wire.Group{{Span: wire.Span{Lo: 0, Hi: 1 << 60}, Cells: []*cell.Cell{c}}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		f, err := codec.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		b.step(Received{Frame: f})
		b.pass(100 * time.Microsecond)
	}
	for range 120 {
		b.pass(time.Second)
	}
	b.fx = Effects{}
	if got := (liveHeap() - before) / keys; got > most || b.e.Root().Tree.Len() != keys {
		t.Errorf("%d keys of 20 B with values of 32 B take %d B each, want at most %d", b.e.Root().Tree.Len(), got, most)
	}
}

func liveHeap() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}
