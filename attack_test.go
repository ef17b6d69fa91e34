package starling

import (
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/starlingkv/starling/crdt"
	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/member"
	"github.com/starlingkv/starling/internal/wire"
	"github.com/starlingkv/starling/kv"
)

// callRaw opens a stream to a node as anybody can who knows its address and its
// cluster, and says something.
func callRaw(t *testing.T, n *Node, says []byte) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", n.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if _, err := c.Write(append(wire.StreamHello(n.opts.Cluster), says...)); err != nil {
		t.Fatal(err)
	}
	return c
}

// framed is a frame of a stranger on a stream.
func framed(t *testing.T, n *Node, m wire.Msg) []byte {
	t.Helper()
	b, err := n.codec.AppendStream(nil, wire.Frame{Header: wire.Header{Origin: 4711, Now: 1, Stream: true}, Msg: m})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestStreamOfALaterVersionIsRefusedByName: ERR(VERSION) is the answer to a
// frame whose version nobody here knows.
func TestStreamOfALaterVersionIsRefusedByName(t *testing.T) {
	n := openInside(t)
	later := framed(t, n, &wire.Hello{Kind: wire.TypeOpen})
	later[4+1] = wire.Version + 1
	f, err := n.newStream(callRaw(t, n, later)).read(openLimit)
	if err != nil {
		t.Fatal(err)
	}
	if m, is := f.Msg.(*wire.Err); !is || m.Code != wire.CodeVersion || m.Text != "this node speaks version 1 of the protocol" {
		t.Errorf("answered %+v, want the version that is spoken", f.Msg)
	}
	eventually(t, "the frame is counted", func() bool { return n.Stats().MalformedBy["version"] == 1 })
}

// TestClaimedLengthsTakeNoRoom opens streams that announce the largest frame and
// send nothing of it. They must cost next to nothing, and be gone in time.
func TestClaimedLengthsTakeNoRoom(t *testing.T) {
	const streams, most = 200, 16 << 20
	n := openInside(t)
	claim := []byte{0, 0x10, 0, 0} // 1 MiB
	before := heap()
	began := time.Now()
	var calls []net.Conn
	for range streams {
		calls = append(calls, callRaw(t, n, claim))
	}
	peak := heap()
	for _, c := range calls {
		if err := c.SetReadDeadline(time.Now().Add(2 * openLimit)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Fatal("a stream that sent nothing is answered")
		}
		peak = max(peak, heap())
	}
	if took := time.Since(began); took < openLimit {
		t.Errorf("the streams are closed after %v, before they had the time to speak", took)
	}
	if peak > before+most {
		t.Errorf("%d claims of 1 MiB take %d bytes, want at most %d", streams, peak-before, most)
	}
	if _, err := n.Client(crdt.Register(kv.String)).Put(t.Context(), "k", "v"); err != nil {
		t.Error(err)
	}
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestLongFrameComesInPieces sends a frame of nearly 1 MiB byte group by byte
// group: room that follows what comes still holds all of it.
func TestLongFrameComesInPieces(t *testing.T) {
	n := openInside(t)
	here, there := net.Pipe()
	defer func() { _, _ = here.Close(), there.Close() }()
	body := &wire.Body{AddrVer: wire.AddrVer{Addr: cell.At("k", "r"), Ver: cell.Ver{T: 1, O: 1, N: 1}}, Total: 1 << 20, Bytes: make([]byte, 1<<20-200)}
	go func() {
		for b := framed(t, n, body); len(b) > 0; b = b[min(len(b), 10_007):] {
			if _, err := there.Write(b[:min(len(b), 10_007)]); err != nil {
				return
			}
		}
	}()
	f, err := n.newStream(here).read(streamIdle)
	if err != nil {
		t.Fatal(err)
	}
	if m, is := f.Msg.(*wire.Body); !is || len(m.Bytes) != len(body.Bytes) {
		t.Errorf("read %T", f.Msg)
	}
}

// TestStrangersSessionsAreRefused floods a node with sessions and fetches under
// an origin that is no member's: none is served, and all streams are closed.
func TestStrangersSessionsAreRefused(t *testing.T) {
	n := openInside(t)
	for _, m := range []wire.Msg{&wire.Hello{Kind: wire.TypeOpen}, &wire.Fetch{}, &wire.Done{}} {
		for range 30 {
			c := callRaw(t, n, framed(t, n, m))
			if err := c.SetReadDeadline(time.Now().Add(2 * openLimit)); err != nil {
				t.Fatal(err)
			}
			if _, err := c.Read(make([]byte, 1)); err == nil {
				t.Fatalf("%v of a stranger is answered", m.Type())
			}
		}
	}
	if got := n.Stats().Sessions; got != 0 {
		t.Errorf("%d sessions ran", got)
	}
}

// TestTwinIsToldOverTheWire lets a member of another name announce a node's
// origin. Both hear of it, and the node writes under a new one.
func TestTwinIsToldOverTheWire(t *testing.T) {
	n := openInside(t)
	was := n.engine.Origin()
	heard := make(chan wire.Frame, 10)
	twin := openRaw(t, n, wire.Meta{Origin: was, Min: wire.Version, Max: wire.Version}, func(f wire.Frame) {
		select {
		case heard <- f:
		default:
		}
	})
	eventually(t, "the node has a new origin", func() bool { return n.Stats().Events["origin_clash"] == 1 })
	for {
		select {
		case f := <-heard:
			if m, is := f.Msg.(*wire.Err); !is || m.Code != wire.CodeClash || f.Origin != was {
				continue
			}
		case <-time.After(10 * time.Second):
			t.Fatal("the twin was not told")
		}
		break
	}
	eventually(t, "the twin sees the new origin", func() bool {
		for _, m := range twin.Members() {
			if m.Name == n.Name() && m.Meta.Origin != was && m.Meta.Origin != 0 {
				return true
			}
		}
		return false
	})
	if got := n.Examine(t.Context()).Clashes; got != 1 {
		t.Errorf("an examination tells of %d clashes, want 1", got)
	}
}

// openRaw joins a node's cluster with a membership and nothing behind it.
func openRaw(t *testing.T, n *Node, meta wire.Meta, onFrame func(wire.Frame)) *member.Group {
	t.Helper()
	g, err := member.Open(member.Config{
		Name: "raw", Cluster: n.opts.Cluster, Bind: netip.MustParseAddrPort("127.0.0.1:0"), Seeds: []string{n.Addr()},
		Log:  slog.New(slog.DiscardHandler),
		Meta: func(a netip.AddrPort) []byte { meta.Port = a.Port(); return wire.AppendMeta(nil, meta) },
		OnPacket: func(b []byte) {
			if f, err := n.codec.Parse(b); err == nil {
				onFrame(f)
			}
		},
		OnStream:    func(c net.Conn) { _ = c.Close() },
		Refusal:     func() []byte { return nil },
		OnChange:    func() {},
		OnNameTaken: func(string) {},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close() })
	return g
}
