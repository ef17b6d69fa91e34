package starling_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/starlingkv/starling"
	"github.com/starlingkv/starling/internal/member"
)

// TestForeignClusterOnTheSameAddresses lets two clusters have each other's
// addresses as seeds, and a node of one take the address of a node of the other,
// which goes on calling it.
func TestForeignClusterOnTheSameAddresses(t *testing.T) {
	const size = 3
	synctest.Test(t, func(t *testing.T) {
		network := member.NewMemory(14)
		network.Latency = time.Millisecond
		all := []string{}
		for i := range 2 * size {
			all = append(all, netip.AddrPortFrom(hostOf(i), 7171).String())
		}
		at := func(cluster string, i int) *starling.Node {
			return openIn(t, network, starling.Options{
				Name: fmt.Sprintf("%s-%d", cluster, i), Cluster: cluster, Bind: all[i], Seeds: all,
			})
		}
		clusters := map[string][]*starling.Node{}
		for i := range size {
			clusters["ours"] = append(clusters["ours"], at("ours", i))
			clusters["theirs"] = append(clusters["theirs"], at("theirs", size+i))
		}
		for name, nodes := range clusters {
			waitFor(t, time.Minute, name+" is a cluster", func() bool { return whole(nodes) })
			put(t, texts(nodes[0]), "of/"+name, name)
		}
		ours := clusters["ours"]
		if err := ours[2].Close(); err != nil {
			t.Fatal(err)
		}
		clusters["ours"] = ours[:2]
		clusters["theirs"] = append(clusters["theirs"], at("theirs", 2)) // the very address
		pass(10 * time.Minute)
		for name, nodes := range clusters {
			if !whole(nodes) {
				t.Errorf("%s is not whole", name)
			}
			for _, n := range nodes {
				for _, m := range n.Members() {
					if !strings.HasPrefix(m.Name, name) {
						t.Errorf("%s has the member %+v", n.Name(), m)
					}
				}
				if keys, err := texts(n).List(t.Context(), ""); err != nil || len(keys) != 1 || keys[0] != "of/"+name {
					t.Errorf("%s holds %q, %v; want the one key of its cluster", n.Name(), keys, err)
				}
				foreign := n.Stats().Foreign
				if len(foreign) != 1 || foreign[0].Cluster == name || foreign[0].Count < 10 || time.Since(foreign[0].Last) > 5*time.Minute {
					t.Errorf("%s names %+v, want the other cluster, often and just now", n.Name(), foreign)
				}
			}
		}
	})
}
