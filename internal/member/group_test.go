package member

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/memberlist"
	"go.uber.org/goleak"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// swift is membership that notices a death within about a second.
var swift = Timing{
	ProbeInterval: 100 * time.Millisecond, ProbeTimeout: 50 * time.Millisecond, GossipInterval: 20 * time.Millisecond,
	SuspicionMult: 3, Rejoin: 200 * time.Millisecond, RejoinUnready: 100 * time.Millisecond,
}

// peer is a Group under test and what it was told.
type peer struct {
	*Group
	changes chan struct{}
	frames  chan string
	streams chan net.Conn
	taken   chan string
	log     *safeBuffer
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func open(t *testing.T, name, cluster string, seeds ...string) *peer {
	t.Helper()
	return openAt(t, netip.MustParseAddrPort("127.0.0.1:0"), name, cluster, seeds...)
}

func openAt(t *testing.T, bind netip.AddrPort, name, cluster string, seeds ...string) *peer {
	t.Helper()
	return openWith(t, Config{Name: name, Cluster: cluster, Bind: bind, Seeds: seeds})
}

// openWith opens a group that is watched, with what the test leaves open.
func openWith(t *testing.T, c Config) *peer {
	t.Helper()
	p := &peer{
		changes: make(chan struct{}, 1), frames: make(chan string, 100), streams: make(chan net.Conn, 10),
		taken: make(chan string, 100), log: new(safeBuffer),
	}
	if c.Timing == (Timing{}) {
		c.Timing = swift
	}
	c.Log = slog.New(slog.NewTextHandler(p.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	c.Meta = func(a netip.AddrPort) []byte {
		return wire.AppendMeta(nil, wire.Meta{Origin: originOf(c.Name), Min: 1, Max: 1, Port: a.Port()})
	}
	c.OnPacket = func(b []byte) { p.frames <- string(b) }
	c.Refusal = func() []byte { return []byte("no") }
	c.OnStream = func(c net.Conn) { p.streams <- c }
	c.OnChange = func() { poke(p.changes) }
	c.OnNameTaken = func(addr string) {
		select {
		case p.taken <- addr:
		default:
		}
	}
	g, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	p.Group = g
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func originOf(name string) cell.Origin { return cell.Origin(len(name))<<32 | cell.Origin(name[0]) }

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// until waits for changes of the view until ok holds.
func (p *peer) until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	limit := time.NewTimer(20 * time.Second)
	defer limit.Stop()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for !ok() {
		select {
		case <-p.changes:
		case <-look.C:
		case <-limit.C:
			t.Fatalf("not in time: %s\nmembers: %+v\n%s", what, p.Members(), p.log)
		}
	}
}

func (p *peer) member(name string) Member {
	for _, m := range p.Members() {
		if m.Name == name {
			return m
		}
	}
	return Member{}
}

func (p *peer) sees(name string, s State) func() bool {
	return func() bool { return p.member(name).State == s }
}

func within[T any](t *testing.T, c <-chan T, what string) T {
	t.Helper()
	limit := time.NewTimer(10 * time.Second)
	defer limit.Stop()
	select {
	case v := <-c:
		return v
	case <-limit.C:
		t.Fatalf("not in time: %s", what)
		panic("unreachable")
	}
}

func TestPacketsAndStreamsPass(t *testing.T) {
	a := open(t, "a", "test")
	b := open(t, "b", "test", a.Addr().String())
	a.until(t, "a sees b", a.sees("b", Alive))
	b.until(t, "b sees a", b.sees("a", Alive))
	if got, want := a.member("b").Meta.Origin, originOf("b"); got != want {
		t.Errorf("origin of b at a: got %v, want %v", got, want)
	}
	if err := a.Send(a.member("b"), []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if got := within(t, b.frames, "the packet"); got != "hello" {
		t.Errorf("packet: got %q, want hello", got)
	}

	out, err := b.Dial(t.Context(), b.member("a"))
	if err != nil {
		t.Fatal(err)
	}
	in := within(t, a.streams, "the stream")
	if _, err := out.Write([]byte("there")); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(in)
	if err != nil || string(got) != "there" {
		t.Errorf("stream: got %q, %v; want there", got, err)
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestForeignClusterIsRefusedCountedAndNamed(t *testing.T) {
	a := open(t, "a", "ours")
	b := open(t, "b", "theirs", a.Addr().String())
	b.until(t, "a names the foreign cluster", func() bool {
		f := a.Foreign()
		return len(f) == 1 && f[0].Cluster == "theirs" && f[0].Count > 0
	})
	if a.member("b").State != 0 || b.member("a").State != 0 {
		t.Error("the clusters see each other")
	}
	if !b.LastAnswer(time.Time{}).IsZero() {
		t.Error("b counts a refusal as an answer")
	}
	before := a.Foreign()[0].Count
	c, err := b.transport.open(t.Context(), a.Addr())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(c); err != nil || string(got) != "no" {
		t.Errorf("a foreign stream was answered %q, %v; want the refusal and the end", got, err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if got := a.Foreign()[0].Count; got <= before {
		t.Errorf("foreign stream: count %d, want more than %d", got, before)
	}
	before = a.Foreign()[0].Count
	if err := b.list.SendToAddress(memberlist.Address{Addr: a.Addr().String()}, []byte("x")); err != nil {
		t.Fatal(err)
	}
	a.until(t, "the foreign packet is counted", func() bool { return a.Foreign()[0].Count > before })
}

func TestForeignNamesAreBoundedAndPrintable(t *testing.T) {
	f := newForeigners("own", slog.New(slog.DiscardHandler))
	from := netip.MustParseAddrPort("127.0.0.1:1")
	f.admits("bell\a", from)
	for i := range 3 * maxForeign {
		f.admits(string(rune('A'+i%26))+string(rune('a'+i/26)), from)
	}
	l := f.list()
	if len(l) > maxForeign+1 {
		t.Errorf("%d names kept, want at most %d", len(l), maxForeign+1)
	}
	sum := uint64(0)
	for _, s := range l {
		sum += s.Count
		if bytes.ContainsRune([]byte(s.Cluster), '\a') {
			t.Errorf("unprintable name %q", s.Cluster)
		}
	}
	if sum != 3*maxForeign+1 {
		t.Errorf("counted %d, want %d", sum, 3*maxForeign+1)
	}
}

func TestDeathIsSeenAndTheDeadAreCalledAgain(t *testing.T) {
	a := open(t, "a", "test")
	b := open(t, "b", "test", a.Addr().String())
	at := b.Addr()
	a.Settle()
	a.until(t, "a sees b", a.sees("b", Alive))
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	a.until(t, "a sees b dead", a.sees("b", Dead))
	// No seeds: only a's calls can bring it back.
	again := openAt(t, at, "b", "test")
	a.until(t, "a sees b again", a.sees("b", Alive))
	again.until(t, "b sees a again", again.sees("a", Alive))
}

func TestRestartAtAnotherAddress(t *testing.T) {
	a := open(t, "a", "test")
	b := open(t, "b", "test", a.Addr().String())
	a.until(t, "a sees b", a.sees("b", Alive))
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	again := open(t, "b", "test", a.Addr().String())
	a.until(t, "a sees b at its new address", func() bool {
		m := a.member("b")
		return m.State == Alive && m.Addr == again.Addr()
	})
	within(t, again.taken, "b is told that its name was taken for a while")
}

func TestLeaveIsToldFromDeath(t *testing.T) {
	a := open(t, "a", "test")
	b := open(t, "b", "test", a.Addr().String())
	a.until(t, "a sees b", a.sees("b", Alive))
	b.until(t, "b sees a", b.sees("a", Alive))
	if err := b.Leave(5 * time.Second); err != nil {
		t.Fatal(err)
	}
	a.until(t, "a sees that b left", a.sees("b", Left))
	if got := a.worthCalling(t.Context()); len(got) != 0 {
		t.Errorf("a would call %v, want nobody", got)
	}
}

func TestOwnAddressAmongSeedsIsNobody(t *testing.T) {
	first := open(t, "a", "test")
	if !first.Alone(t.Context()) {
		t.Error("a node without seeds is not alone")
	}
	at := first.Addr()
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if own := openAt(t, at, "a", "test", at.String()); !own.Alone(t.Context()) {
		t.Error("a node whose only seed is itself is not alone")
	}
	for _, other := range []string{"127.0.0.1:1", "file+/does/not/exist"} {
		if b := open(t, "b", "test", other); b.Alone(t.Context()) {
			t.Errorf("a node with the seed %s is alone", other)
		}
	}
}

func TestNobodyCallsItself(t *testing.T) {
	first := open(t, "a", "test")
	at := first.Addr()
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	a := openAt(t, at, "a", "test", at.String(), "127.0.0.1:1")
	want := []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:1")}
	if got := a.worthCalling(t.Context()); !slices.Equal(got, want) {
		t.Errorf("a would call %v, want %v", got, want)
	}
	a.join(t.Context())
	if !a.LastAnswer(time.Time{}).IsZero() {
		t.Error("a counts itself as an answer")
	}
}

// TestCloseWaitsForProbes closes a group while it waits for the answer of a
// member that has just died.
func TestCloseWaitsForProbes(t *testing.T) {
	a := open(t, "a", "test")
	b := open(t, "b", "test", a.Addr().String())
	a.until(t, "a sees b", a.sees("b", Alive))
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	a.until(t, "a misses an answer", func() bool { return strings.Contains(a.log.String(), "Failed UDP ping") })
	if !a.linger.runs() {
		t.Fatal("the goroutines of an open group are not found")
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if a.linger.runs() {
		t.Error("Close left goroutines behind")
	}
}

func TestSilentStreamIsClosed(t *testing.T) {
	a := open(t, "a", "test")
	c, err := net.Dial("tcp", a.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SetReadDeadline(time.Now().Add(2 * greetTimeout)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("reading a stream that was not greeted: %v, want EOF", err)
	}
	if got := a.Refused(); got != 1 {
		t.Errorf("refused %d, want 1", got)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestCloseEndsOpenStreams(t *testing.T) {
	a := open(t, "a", "test")
	b := open(t, "b", "test", a.Addr().String())
	b.until(t, "b sees a", b.sees("a", Alive))
	out, err := b.Dial(t.Context(), b.member("a"))
	if err != nil {
		t.Fatal(err)
	}
	within(t, a.streams, "the stream")
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err == nil {
		t.Error("the stream lives on")
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Dial(t.Context(), Member{Addr: a.Addr()}); err == nil {
		t.Error("a closed group dials")
	}
}
