package main

import (
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/starlingkv/starling"
	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/member"
	"github.com/starlingkv/starling/internal/wire"
)

// open serves a node on the loopback address, of cluster and name if the options name none.
func open(t *testing.T, opts starling.Options) *served {
	t.Helper()
	at, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if opts.Cluster == "" {
		opts.Cluster = "doctor"
	}
	s, err := serve(opts, at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.end()
		_ = s.server.Close()
		_ = s.node.Close()
	})
	return s
}

// eventually asks again until ok is content with the answer to the verb.
func eventually(t *testing.T, s *served, ok func(result) bool, args ...string) result {
	t.Helper()
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	overdue := time.After(30 * time.Second)
	for {
		got := run(t, s.url, "", nil, args...)
		if ok(got) {
			return got
		}
		select {
		case <-look.C:
		case <-overdue:
			t.Fatalf("%q still prints %q, %s", args, got.out, got.err)
		}
	}
}

// finds waits until doctor has a finding of this kind about this, and no other kind.
func finds(t *testing.T, s *served, kind, about string) finding {
	t.Helper()
	var f finding
	eventually(t, s, func(r result) bool {
		var all []finding
		if err := json.Unmarshal([]byte(r.out), &all); err != nil || r.code != exitCheck {
			return false
		}
		f = all[0]
		return len(all) == 1 && f.Kind == kind && f.About == about && f.Next != "" && f.Detail != ""
	}, "doctor", "-o", "json")
	return f
}

func TestDoctorFindsNothing(t *testing.T) {
	n1 := open(t, starling.Options{Name: "n1"})
	n2 := open(t, starling.Options{Name: "n2", Seeds: []string{n1.node.Addr()}})
	for _, s := range []*served{n1, n2} {
		eventually(t, s, func(r result) bool { return r.code == exitOK && strings.Contains(r.out, "2 members answer") }, "doctor")
	}
}

// TestDoctorFindsBlockedUDP puts a relay for streams only before a member.
func TestDoctorFindsBlockedUDP(t *testing.T) {
	n1 := open(t, starling.Options{Name: "n1"})
	relay, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer relay.Close()
	bind := freeAddr(t)
	open(t, starling.Options{Name: "n2", Bind: bind, Advertise: relay.Addr().String(), Seeds: []string{n1.node.Addr()}})
	go relayStreams(relay, bind)
	f := finds(t, n1, noUDP, "n2")
	if !strings.Contains(f.Detail, relay.Addr().String()) {
		t.Errorf("%q does not name the address", f.Detail)
	}
}

// TestDoctorFindsBlockedTCP puts a relay for packets only before a member.
func TestDoctorFindsBlockedTCP(t *testing.T) {
	n1 := open(t, starling.Options{Name: "n1"})
	relay, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer relay.Close()
	bind := freeAddr(t)
	open(t, starling.Options{Name: "n2", Bind: bind, Advertise: relay.LocalAddr().String(), Seeds: []string{n1.node.Addr()}})
	go relayPackets(relay, bind)
	finds(t, n1, noTCP, "n2")
}

// TestDoctorFindsAMemberThatIsNotThere cuts a member off after it has joined, before the others notice.
func TestDoctorFindsAMemberThatIsNotThere(t *testing.T) {
	n1 := open(t, starling.Options{Name: "n1"})
	n2 := open(t, starling.Options{Name: "n2", Seeds: []string{n1.node.Addr()}})
	if err := n2.node.WaitSynced(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := n2.node.Close(); err != nil { // without a goodbye
		t.Fatal(err)
	}
	finds(t, n1, noReach, "n2")
}

// relayStreams hands every stream on to an address.
func relayStreams(from net.Listener, to string) {
	for {
		c, err := from.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			d, err := net.Dial("tcp", to)
			if err != nil {
				return
			}
			defer d.Close()
			go func() {
				_, _ = io.Copy(d, c)
				_ = d.(*net.TCPConn).CloseWrite()
			}()
			_, _ = io.Copy(c, d)
		}()
	}
}

// relayPackets hands every packet on to an address. Answers go where the packet says, without it.
func relayPackets(from net.PacketConn, to string) {
	out, err := net.Dial("udp", to)
	if err != nil {
		return
	}
	defer out.Close()
	b := make([]byte, 64<<10)
	for {
		n, _, err := from.ReadFrom(b)
		if err != nil {
			return
		}
		_, _ = out.Write(b[:n])
	}
}

// freeAddr is an address that was free a moment ago, for a node that tells others another one.
func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// TestDoctorFindsAWrongAddress has a node tell an address where nobody is.
func TestDoctorFindsAWrongAddress(t *testing.T) {
	addr := freeAddr(t)
	n1 := open(t, starling.Options{Name: "n1", Advertise: addr})
	if f := finds(t, n1, badAddress, "n1"); !strings.Contains(f.Detail, addr) {
		t.Errorf("%q does not name the address", f.Detail)
	}
}

func TestDoctorFindsAnotherCluster(t *testing.T) {
	n1 := open(t, starling.Options{Name: "n1"})
	open(t, starling.Options{Name: "x1", Cluster: "other", Seeds: []string{n1.node.Addr()}})
	finds(t, n1, otherOnes, "other")
	if got := run(t, n1.url, "", nil, "status"); !strings.Contains(got.out, "cluster other at 127.0.0.1:") {
		t.Errorf("status does not name it:\n%s", got.out)
	}
}

func TestDoctorFindsASeedThatNamesNobody(t *testing.T) {
	n1 := open(t, starling.Options{Name: "n1", Seeds: []string{"dns+nobody.invalid:7171"}})
	finds(t, n1, emptySeed, "dns+nobody.invalid:7171")
}

func TestDoctorFindsANameTwice(t *testing.T) {
	n1 := open(t, starling.Options{Name: "same"})
	open(t, starling.Options{Name: "same", Seeds: []string{n1.node.Addr()}})
	finds(t, n1, nameAgain, "same")
}

// TestDoctorFindsAWrongClock runs a server whose clock is ahead, beside one whose clock is right.
func TestDoctorFindsAWrongClock(t *testing.T) {
	right := open(t, starling.Options{Name: "right"})
	wrong := startOf(t, binaryAhead(t, 7*time.Second), "--cluster", "doctor", "--name", "wrong", "--bind", "127.0.0.1:0", "--http", "127.0.0.1:0", "--seed", right.node.Addr())
	for _, c := range []struct{ node, url, offset string }{{"right", right.url, "by (6.9|7)"}, {"wrong", wrong.HTTP, "by -(6.9|7)"}} {
		s := &served{listening: &listening{url: c.url}}
		finds(t, s, badClock, c.node)
		// A sample is as old as its packet was long on its way; the next packet brings another.
		eventually(t, s, func(r result) bool { return regexp.MustCompile(c.offset).MatchString(r.out) }, "doctor", "-o", "json")
	}
}

// TestDiffNamesKeysAndVersions compares two nodes that never met.
func TestDiffNamesKeysAndVersions(t *testing.T) {
	a, b := open(t, starling.Options{Name: "a"}), open(t, starling.Options{Name: "b"})
	for _, c := range []struct {
		s          *served
		key, value string
	}{{a, "both", "1"}, {b, "both", "2"}, {a, "p/a", "x"}, {b, "p/b", "x"}} {
		if got := run(t, c.s.url, "", nil, "put", c.key, c.value); got.code != exitOK {
			t.Fatal(got.err)
		}
	}
	got := run(t, "", "", nil, "diff", strings.TrimPrefix(a.url, "http://"), b.url, "-o", "json")
	var found []difference
	if err := json.Unmarshal([]byte(got.out), &found); err != nil || got.code != exitCheck || len(found) != 3 {
		t.Fatalf("exit code %d, %v in %s, %s", got.code, err, got.out, got.err)
	}
	if d := found[0]; d.Key != "both" || d.A == "" || d.B == "" || d.A == d.B {
		t.Errorf("got %+v, want both versions", d)
	}
	if d := found[1]; d.Key != "p/a" || d.A == "" || d.B != "" {
		t.Errorf("got %+v, want it on a alone", d)
	}
	if got := run(t, "", "", nil, "diff", a.url, b.url, "--prefix", "p/", "-o", "raw"); got.out != "p/a\np/b\n" {
		t.Errorf("--prefix: %q", got.out)
	}
	if got := run(t, "", "", nil, "diff", a.url, a.url); got.code != exitOK || got.out != "no difference\n" {
		t.Errorf("with itself: exit code %d, %q", got.code, got.out)
	}
	if got := run(t, "", "", nil, "diff", a.url, "http://127.0.0.1:1"); got.code != exitUnreachable {
		t.Errorf("with nobody: exit code %d", got.code)
	}
}

func TestForget(t *testing.T) {
	n1 := open(t, starling.Options{Name: "n1"})
	n2 := open(t, starling.Options{Name: "n2", Seeds: []string{n1.node.Addr()}})
	if err := n2.node.WaitSynced(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := run(t, n1.url, "", nil, "members", "forget", "n2"); got.code != exitError || !strings.Contains(got.err, "alive") {
		t.Errorf("a live member: exit code %d, %s", got.code, got.err)
	}
	if got := run(t, n1.url, "", nil, "members", "forget", "n9"); got.code != exitNotFound {
		t.Errorf("no member: exit code %d, %s", got.code, got.err)
	}
	if err := n2.node.Leave(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, n1, func(r result) bool { return r.out == "n2\n" }, "members", "--state", "left,dead", "-o", "raw")
	if got := run(t, n1.url, "", nil, "members", "forget", "--gone", "--older-than", "1h"); got.out != "" || got.code != exitOK {
		t.Errorf("--older-than: %q, exit code %d", got.out, got.code)
	}
	if got := run(t, n1.url, "", nil, "members", "forget", "--gone"); got.out != "n2\n" || got.code != exitOK {
		t.Errorf("got %q, exit code %d, %s", got.out, got.code, got.err)
	}
	if got := run(t, n1.url, "", nil, "members", "-o", "raw"); got.out != "n1\n" {
		t.Errorf("got %q, want n1 alone", got.out)
	}
}

// TestLeaveEndsTheServer asks a process to leave: it hands over, says goodbye and ends, by itself.
func TestLeaveEndsTheServer(t *testing.T) {
	n1 := start(t, "--cluster", "bye", "--name", "n1", "--bind", "127.0.0.1:0", "--http", "127.0.0.1:0")
	n2 := start(t, "--cluster", "bye", "--name", "n2", "--bind", "127.0.0.1:0", "--http", "127.0.0.1:0", "--seed", n1.Gossip)
	if _, err := n2.client(t).Put(t.Context(), "last", []byte("words")); err != nil {
		t.Fatal(err)
	}
	if out, talk, code := verb(t, nil, "leave", "--addr", n2.HTTP); code != exitOK || out != "n2 left\n" {
		t.Fatalf("exit code %d, %q, %s", code, out, talk)
	}
	select {
	case <-n2.gone:
	case <-time.After(30 * time.Second):
		t.Fatal("the server that left does not end")
	}
	if code := n2.cmd.ProcessState.ExitCode(); code != exitOK {
		t.Errorf("exit code %d\n%s", code, n2.talk)
	}
	if v, err := n1.client(t).Get(t.Context(), "last"); err != nil || v == nil {
		t.Errorf("the last write: %v, %v", v, err)
	}
	n1.shows(t, "^n2\n$", "members", "--state", "left", "-o", "raw")
}

// announce joins a node's cluster with a membership and nothing behind it.
func announce(t *testing.T, s *served, meta wire.Meta) {
	t.Helper()
	g, err := member.Open(member.Config{
		Name: "raw", Cluster: s.node.Cluster(), Bind: netip.MustParseAddrPort("127.0.0.1:0"), Seeds: []string{s.node.Addr()},
		Log:         slog.New(slog.DiscardHandler),
		Meta:        func(a netip.AddrPort) []byte { meta.Port = a.Port(); return wire.AppendMeta(nil, meta) },
		OnPacket:    func([]byte) {},
		OnStream:    func(c net.Conn) { _ = c.Close() },
		Refusal:     func() []byte { return nil },
		OnChange:    func() {},
		OnNameTaken: func(string) {},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close() })
}

// TestDoctorFindsAnotherVersion lets a member announce versions that nobody here speaks.
func TestDoctorFindsAnotherVersion(t *testing.T) {
	s := open(t, starling.Options{Name: "n1"})
	announce(t, s, wire.Meta{Origin: 4711, Min: wire.Version + 1, Max: wire.Version + 3})
	finds(t, s, otherSpeech, "raw")
}

// TestDoctorFindsATwin lets a member announce the origin of the node.
func TestDoctorFindsATwin(t *testing.T) {
	s := open(t, starling.Options{Name: "n1"})
	origin, err := strconv.ParseUint(s.node.Members()[0].Origin, 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	announce(t, s, wire.Meta{Origin: cell.Origin(origin), Min: wire.Version, Max: wire.Version})
	finds(t, s, originAgain, "n1")
}
