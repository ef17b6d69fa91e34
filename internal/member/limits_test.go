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

// TestAcceptedStreamsAreBounded opens more streams than a member serves, and says nothing on them.
func TestAcceptedStreamsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := NewMemory(1)
		a := openWith(t, Config{Name: "a", Cluster: "test", Network: network, Bind: netip.MustParseAddrPort("10.0.0.1:7171")})
		caller, err := network.Listen(netip.MustParseAddrPort("10.0.0.2:7171"))
		if err != nil {
			t.Fatal(err)
		}
		defer caller.Close()
		const over = 10
		for range maxAccepted + over {
			c, err := caller.Dial(t.Context(), a.Addr())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
		}
		synctest.Wait()
		if got := a.Refused(); got != over {
			t.Errorf("%d streams are refused, want %d", got, over)
		}
		<-time.After(greetTimeout)
		synctest.Wait()
		if got := a.Refused(); got != maxAccepted+over {
			t.Errorf("%d streams are refused in the end, want all that said nothing", got)
		}
	})
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
