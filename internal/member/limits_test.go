package member

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/memberlist"
)

// TestTheGoneAreBoundedAndForgotten lets more members die than are remembered, and then a day pass.
func TestTheGoneAreBoundedAndForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newView(func() {})
		v.NotifyJoin(&memberlist.Node{Name: "alive"})
		for i := range maxGone + 10 {
			<-time.After(time.Millisecond)
			v.NotifyLeave(&memberlist.Node{Name: fmt.Sprintf("%05d", i)})
		}
		all := v.list()
		if len(all) != maxGone+1 || all[0].Name != "00010" || all[maxGone].Name != "alive" {
			t.Errorf("%d members from %s to %s are listed, want the %d that died last, and who lives",
				len(all), all[0].Name, all[len(all)-1].Name, maxGone)
		}
		<-time.After(rememberDead - time.Minute)
		if got := len(v.list()); got != maxGone+1 {
			t.Errorf("just before a day is over %d are listed, want all", got)
		}
		<-time.After(2 * time.Minute)
		if all := v.list(); len(all) != 1 {
			t.Errorf("after a day %d are listed, want who lives", len(all))
		}
	})
}

// TestAcceptedStreamsAreBounded opens more streams than a member serves, and says
// nothing on them: from one address, from many, and then from where a member lives.
func TestAcceptedStreamsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := NewMemory(1)
		at := func(host string) netip.AddrPort { return netip.MustParseAddrPort(host + ":7171") }
		a := openWith(t, Config{Name: "a", Cluster: "test", Network: network, Bind: at("10.0.0.1")})
		b := openWith(t, Config{Name: "b", Cluster: "test", Network: network, Bind: at("10.0.0.2"), Seeds: []string{"10.0.0.1:7171"}})
		b.until(t, "b sees a", b.sees("a", Alive))
		a.until(t, "a sees b", a.sees("b", Alive))
		network.Cut(func(from, to netip.AddrPort) bool { return from == b.Addr() || to == b.Addr() }) // its own streams would count
		synctest.Wait()
		const over = 10
		want := uint64(0)
		for _, flood := range []struct {
			from string
			open int
		}{
			{"10.0.1.1", maxStranger},
			{"10.0.1.2", maxStranger},
			{"10.0.1.3", maxStranger},
			{"10.0.1.4", maxStranger},
			{"10.0.1.5", 0},
			{"10.0.0.2", maxAccepted - maxStrange},
			{"10.0.0.2", 0},
		} {
			for range flood.open + over {
				callFrom(t, network, flood.from, a.Addr())
			}
			synctest.Wait()
			if want += over; a.Refused() != want {
				t.Fatalf("after %s %d streams are refused, want %d", flood.from, a.Refused(), want)
			}
		}
		<-time.After(greetTimeout)
		synctest.Wait()
		if got := a.Refused(); got != maxAccepted+want {
			t.Errorf("%d streams are refused in the end, want all that said nothing", got)
		}
		if s := &a.transport.slots; s.open != 0 || s.sum != 0 || len(s.strange) != 0 {
			t.Errorf("%d slots are taken in the end, %d of strangers at %v", s.open, s.sum, s.strange)
		}
	})
}

// callFrom opens a stream from an address that may be another's, and says nothing.
func callFrom(t *testing.T, network *Memory, host string, to netip.AddrPort) {
	t.Helper()
	caller, err := network.Listen(netip.MustParseAddrPort(host + ":0"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = caller.Close() })
	c, err := caller.Dial(t.Context(), to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
}

// TestLargeSeedFile reads a file of the largest size, and one byte more.
func TestLargeSeedFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "seeds")
	line := "10.0.0.1:7171\n"
	text := line + strings.Repeat("#\n", (maxSeedFile-len(line))/2)
	writeSeeds(t, file, text)
	if seeds, err := readSeedFile(file); err != nil || len(seeds) != 1 {
		t.Errorf("%d bytes: %d seeds, %v", len(text), len(seeds), err)
	}
	writeSeeds(t, file, text+"#")
	if seeds, err := readSeedFile(file); err == nil || len(seeds) > 0 {
		t.Errorf("%d bytes: %d seeds, %v, want none", len(text)+1, len(seeds), err)
	}
}

// TestWhereMembersLive follows two members of one address: one moves, both die.
func TestWhereMembersLive(t *testing.T) {
	v := newView(func() {})
	at := func(name, host string) *memberlist.Node {
		return &memberlist.Node{Name: name, Addr: netip.MustParseAddr(host).AsSlice()}
	}
	for _, step := range []struct {
		tell     func(*memberlist.Node)
		of       *memberlist.Node
		old, now bool // whether a member lives at 10.0.0.1, at 10.0.0.2
	}{
		{v.NotifyJoin, at("a", "10.0.0.1"), true, false},
		{v.NotifyJoin, at("b", "::ffff:10.0.0.1"), true, false},
		{v.NotifyUpdate, at("a", "10.0.0.2"), true, true},
		{v.NotifyUpdate, at("a", "10.0.0.2"), true, true},
		{v.NotifyLeave, at("b", "10.0.0.1"), false, true},
		{v.NotifyLeave, at("b", "10.0.0.1"), false, true},
		{v.NotifyLeave, at("a", "10.0.0.2"), false, false},
		{v.NotifyJoin, at("a", "10.0.0.1"), true, false},
	} {
		step.tell(step.of)
		old, now := v.livesAt(netip.MustParseAddr("10.0.0.1")), v.livesAt(netip.MustParseAddr("10.0.0.2"))
		if old != step.old || now != step.now {
			t.Errorf("after news of %s at %v: somebody lives at 1: %v, at 2: %v; want %v, %v", step.of.Name, step.of.Addr, old, now, step.old, step.now)
		}
	}
}
