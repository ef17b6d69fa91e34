package starling

import (
	"bytes"
	"encoding/binary"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/starlingkv/starling/crdt"
	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/engine"
	"github.com/starlingkv/starling/internal/hlc"
	"github.com/starlingkv/starling/internal/wire"
	"github.com/starlingkv/starling/kv"
)

// frameOf is a frame of some length whose header names its sender.
func frameOf(sender byte, length int) []byte {
	b := make([]byte, length)
	b[11] = sender
	return b
}

func TestInboxIsBounded(t *testing.T) {
	const size = 100
	b := newInbox(3 * (size + frameCost))
	for range 3 {
		b.put(frameOf(1, size))
	}
	b.put(frameOf(2, size))
	b.put(make([]byte, 5)) // too short to have a sender, and it has no room either
	if got := b.lost(); got != 2 {
		t.Errorf("dropped %d frames, want 2", got)
	}
	frames, lossy := b.take()
	if len(frames) != 3 || !slices.Equal(lossy, []cell.Origin{2}) {
		t.Errorf("took %d frames, lossy %v; want 3 and the sender 2", len(frames), lossy)
	}
	b.put(frameOf(4, size))
	frames, lossy = b.take()
	if len(frames) != 1 || len(lossy) != 0 {
		t.Errorf("then took %d frames, lossy %v; want the room back and nobody lossy", len(frames), lossy)
	}
	select {
	case <-b.ready:
	default:
		t.Error("the inbox does not say that something waits")
	}
}

func TestInboxCopies(t *testing.T) {
	b := newInbox(1000)
	frame := frameOf(1, 20)
	b.put(frame)
	want := slices.Clone(frame)
	clear(frame)
	if frames, _ := b.take(); !bytes.Equal(frames[0], want) {
		t.Error("the inbox kept the caller's slice")
	}
}

// openInside opens a node of its own.
func openInside(t *testing.T) *Node {
	t.Helper()
	n, err := Open(Options{Name: "a"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

func TestDroppedAndGarbledPacketsAreCounted(t *testing.T) {
	n := openInside(t)
	n.inbox.limit = 0
	n.inbox.put(frameOf(1, 30))
	n.inbox.limit = maxInbox
	n.inbox.put(frameOf(1, 30))
	n.inbox.put(framed(t, n, &wire.Done{})[4:]) // of a stream, in a packet
	eventually(t, "one dropped and two malformed frames are counted", func() bool {
		s := n.Stats()
		return s.Dropped == 1 && s.Malformed == 2 && s.MalformedBy["magic"] == 1 && s.MalformedBy["out_of_place"] == 1
	})
}

func TestANodeKnowsItsOwnNameFromTheStart(t *testing.T) {
	n := newNode(Options{Name: "a", Logger: slog.New(slog.DiscardHandler)}, [32]byte{})
	defer n.cancel()
	if got := n.nameOf(n.engine.Origin()); got != "a" {
		t.Errorf("its first write would be of %q, want a", got)
	}
}

func TestWatcherFarBehindIsToldAnew(t *testing.T) {
	n := openInside(t)
	c := n.Client(crdt.Register(kv.String))
	for _, key := range []string{"a", "b"} {
		if _, err := c.Put(t.Context(), key, "v"); err != nil {
			t.Fatal(err)
		}
	}
	old := n.engine.Root()
	if err := c.Delete(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	var got []string
	tell := func(ev kv.Event, err error) bool {
		got = append(got, ev.Kind.String()+" "+ev.Key)
		return err == nil
	}
	now := *n.engine.Root()
	of := &store{node: n, kind: crdt.Register(kv.String)}
	far := teller{of: of, yield: tell, told: old}
	now.Rev = old.Rev + maxLag + 1
	far.advance(&now)
	if want := []string{"reset ", "put b", "synced "}; !slices.Equal(got, want) {
		t.Errorf("far behind: told %q, want %q", got, want)
	}
	got = nil
	near := teller{of: of, yield: tell, told: old}
	now.Rev = old.Rev + maxLag
	near.advance(&now)
	if want := []string{"delete a"}; !slices.Equal(got, want) {
		t.Errorf("not so far behind: told %q, want %q", got, want)
	}
}

func TestOriginClashIsToldToMembers(t *testing.T) {
	n := openInside(t)
	was := n.engine.Origin()
	// A cell under our origin that we never wrote: a clone of this process did.
	const peer = 99
	c := cell.New(cell.Spec{
		Addr: cell.At("k", "r"), Codec: "string", Body: []byte("v"),
		Ver: cell.Ver{T: hlc.Make(time.Now().UnixMilli(), 0), O: was, N: 1000},
	})
	hasher := n.engine.Hasher()
	hasher.Seal(c)
	n.step(engine.PeersChanged{View: engine.NewView([]engine.Peer{{Name: "x", Origin: peer}})})
	n.step(engine.Received{Frame: wire.Frame{
		Header: wire.Header{Origin: peer, Now: c.Ver.T, Seq: 1},
		Msg:    &wire.Delta{Groups: []wire.Group{{Cells: []*cell.Cell{c}}}},
	}})
	if n.engine.Origin() == was {
		t.Fatal("the origin stayed")
	}
	eventually(t, "members are told the new origin", func() bool {
		return n.Members()[0].Origin == n.engine.Origin().String()
	})
}

// eventually looks from time to time until ok holds.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	limit := time.NewTimer(10 * time.Second)
	defer limit.Stop()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for !ok() {
		select {
		case <-look.C:
		case <-limit.C:
			t.Fatalf("not in time: %s", what)
		}
	}
}

// TestSendersWhoseFramesWereDroppedAreBounded drops frames of ever other senders.
func TestSendersWhoseFramesWereDroppedAreBounded(t *testing.T) {
	b := newInbox(0)
	for i := range maxLossy + 10 {
		frame := frameOf(1, 30)
		binary.BigEndian.PutUint64(frame[4:], uint64(i+1))
		b.put(frame)
	}
	if _, lossy := b.take(); len(lossy) != maxLossy || b.lost() != maxLossy+10 {
		t.Errorf("%d senders are remembered and %d frames counted, want %d and %d", len(lossy), b.lost(), maxLossy, maxLossy+10)
	}
}

// TestNamesOfTheGoneAreBounded has a node know as many names as it remembers, and look at its members.
func TestNamesOfTheGoneAreBounded(t *testing.T) {
	n := openInside(t)
	for _, c := range []struct{ known, want int }{{maxNames - 2, maxNames - 1}, {maxNames, 1}} {
		names := make(map[cell.Origin]string, c.known)
		for i := range c.known {
			names[cell.Origin(i+1)] = "gone"
		}
		n.dir.Store(&directory{names: names})
		n.viewChanged <- struct{}{} // the loop looks
		eventually(t, "the node looks at its members", func() bool { return len(n.dir.Load().names) == c.want })
	}
}

// TestFetchesAreBounded asks for bodies while as many fetches as may be are served.
func TestFetchesAreBounded(t *testing.T) {
	n := openInside(t)
	for range 16 {
		n.fetches <- struct{}{}
	}
	if err := n.serveFetch(nil, nil); err == nil || !strings.Contains(err.Error(), "too many") {
		t.Errorf("one more fetch is served: %v", err)
	}
}

func TestConflictsAreBounded(t *testing.T) {
	c := conflicts{ready: make(chan struct{}, 1)}
	for range maxTells + 2 {
		c.add(Conflict{Key: "k"})
	}
	if got := len(c.take()); got != maxTells || c.lost != 2 {
		t.Errorf("%d wait and %d are lost, want %d and 2", got, c.lost, maxTells)
	}
}

// TestWhatMattersIsTold: the engine leaves out what tells does not name.
func TestWhatMattersIsTold(t *testing.T) {
	for _, kind := range []engine.EventKind{
		engine.EventReady, engine.EventSession, engine.EventUnknownOrigin, engine.EventConflict, engine.EventClash,
	} {
		if !tells(kind) {
			t.Errorf("%v is not told, and happened waits for it", kind)
		}
	}
	if tells(engine.EventApplied) {
		t.Error("every cell that comes is told")
	}
}

func TestEventsOfWorthAreLogged(t *testing.T) {
	var out bytes.Buffer
	n := &Node{log: slog.New(slog.NewTextHandler(&out, nil)), opts: Options{}}
	n.dir.Store(&directory{names: map[cell.Origin]string{7: "peer"}})
	n.ctx = t.Context()
	n.happened(engine.Event{Kind: engine.EventNonConvergent, Peer: 7, Addr: cell.At("key", "r"), N: 3, Text: "why"})
	n.happened(engine.Event{Kind: engine.EventApplied, Peer: 7})
	for _, want := range []string{"non_convergent", "peer=peer", "key=key", "n=3", "text=why"} {
		if !bytes.Contains(out.Bytes(), []byte(want)) {
			t.Errorf("log %q lacks %q", out.String(), want)
		}
	}
	if bytes.Count(out.Bytes(), []byte("\n")) != 1 {
		t.Errorf("log %q, want one line", out.String())
	}
}

// TestKeyWithOtherClasses looks at a key that a later version has put cells of
// its own kinds under.
func TestKeyWithOtherClasses(t *testing.T) {
	n := openInside(t)
	c := n.Client(crdt.Register(kv.String))
	write := func(key, sub string) {
		t.Helper()
		_, err := n.commit(func(int64) engine.Tx {
			return engine.Tx{Writes: []engine.Write{{Addr: cell.At(key, sub), Codec: "string", Body: []byte("other")}}}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	write("other", "mfield")
	if _, err := c.Get(t.Context(), "other"); !errors.Is(err, kv.ErrType) {
		t.Errorf("Get of a key of another class: %v, want ErrType", err)
	}
	err := c.CAS(t.Context(), "other", func(any) (any, bool, error) { return "mine", false, nil })
	if !errors.Is(err, kv.ErrType) {
		t.Errorf("CAS on it: %v, want ErrType", err)
	}
	if _, err := c.Put(t.Context(), "other", "mine"); !errors.Is(err, kv.ErrType) {
		t.Errorf("Put on it: %v, want ErrType", err)
	}
	first, err := c.Put(t.Context(), "both", "mine")
	if err != nil {
		t.Fatal(err)
	}
	write("both", "mfield")
	e, _, err := c.Entry(t.Context(), "both")
	if err != nil || e.Value != "mine" || e.Version == first {
		t.Errorf("Entry of a key of two classes: %+v, %v; want its own value and another version", e, err)
	}
	if keys, err := c.List(t.Context(), ""); err != nil || !slices.Equal(keys, []string{"both"}) {
		t.Errorf("List: %q, %v; want only the key of this class", keys, err)
	}
	for _, key := range []string{"other", "both"} {
		if err := c.Delete(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
	if live := n.Stats().Keys; live != 0 {
		t.Errorf("%d cells outlived Delete, want none of any class", live)
	}
}

func TestWrongClockRefusesWrites(t *testing.T) {
	n := openInside(t)
	c := n.Client(crdt.Register(kv.String))
	if _, err := c.Put(t.Context(), "k", "v"); err != nil {
		t.Fatal(err)
	}
	// The wall clock was an hour ahead for a moment.
	ahead := n.reading()
	ahead.Wall += time.Hour.Milliseconds()
	n.mu.Lock()
	n.engine.Step(ahead, engine.Tick{})
	n.mu.Unlock()
	if _, err := c.Put(t.Context(), "k", "w"); !errors.Is(err, kv.ErrClockSkew) {
		t.Errorf("Put: %v, want ErrClockSkew", err)
	}
	if v, err := c.Get(t.Context(), "k"); v != "v" || err != nil {
		t.Errorf("Get: %v, %v; want reads to go on", v, err)
	}
}
