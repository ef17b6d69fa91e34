package starling_test

import (
	"flag"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/starlingkv/starling"
	"github.com/starlingkv/starling/internal/member"
)

// crowd runs a cluster of some size in which every node writes a key, and every
// node must get every key.
func crowd(t *testing.T, size int) {
	synctest.Test(t, func(t *testing.T) {
		network, dns := member.NewMemory(15), new(names)
		network.Latency = time.Millisecond
		dns.set("seeds.test", hostOf(0), hostOf(1))
		var n []*starling.Node
		for i := range size {
			n = append(n, openAt(t, network, dns, i))
		}
		// Who misses the news of a member hears of it by an exchange of views, which
		// memberlist makes seldom in a large cluster.
		joined := waitFor(t, 2*time.Minute, "all see all", func() bool { return whole(n) })
		for _, x := range n {
			if err := x.WaitSynced(within(t, time.Minute)); err != nil {
				t.Fatalf("%s: %v", x.Name(), err)
			}
		}
		key := func(i int) string { return fmt.Sprintf("key/%03d", i) }
		for i, x := range n {
			put(t, texts(x), key(i), fmt.Sprint(i))
		}
		spread := waitFor(t, 5*time.Second, "all hold all", func() bool { return everywhere(n, size) })
		for _, x := range n {
			for i := range n {
				if got, err := texts(x).Get(t.Context(), key(i)); err != nil || got != fmt.Sprint(i) {
					t.Fatalf("%s holds %v, %v under %s", x.Name(), got, err, key(i))
				}
			}
		}
		// One more, when nothing else goes on, and its delete.
		put(t, texts(n[size/2]), "last", "words")
		one := waitFor(t, 5*time.Second, "the last update reaches all", func() bool { return everywhere(n, size+1) })
		if err := texts(n[size/3]).Delete(t.Context(), "last"); err != nil {
			t.Fatal(err)
		}
		waitFor(t, 5*time.Second, "its delete reaches all", func() bool { return everywhere(n, size) })
		t.Logf("%d nodes: all saw all after %v, all held %d updates after %v, and one more after %v", size, joined, size, spread, one)
	})
}

// everywhere reports whether every node holds that many keys.
func everywhere(nodes []*starling.Node, keys int) bool {
	for _, n := range nodes {
		if n.Stats().Keys != uint64(keys) {
			return false
		}
	}
	return true
}

// crowdSize is how many nodes make the crowd; make crowd sets it.
var crowdSize = flag.Int("crowd", 64, "nodes of TestCrowd")

func TestCrowd(t *testing.T) { crowd(t, *crowdSize) }
