package rings_test

import (
	"fmt"
	"time"

	"github.com/go-kit/log"
	"github.com/grafana/dskit/ring"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/starlingkv/starling"
	"github.com/starlingkv/starling/lab/dskit/rings"
)

// The program of docs/dskit.md: an instance of dskit whose ring lives on a node.
func Example() {
	var seeds []string // host:port of other members
	cfg := ring.BasicLifecyclerConfig{
		ID: "ingester-1", Addr: "10.0.0.1:9095", HeartbeatPeriod: 5 * time.Second, HeartbeatTimeout: time.Minute, NumTokens: 128,
	}
	delegate := ring.NewInstanceRegisterDelegate(ring.JOINING, cfg.NumTokens)
	logger, reg := log.NewNopLogger(), prometheus.NewRegistry()

	node, err := starling.Open(starling.Options{Cluster: "ring", Seeds: seeds})
	if err != nil {
		panic(err)
	}
	defer node.Close()
	store := node.Client(rings.DescKind())
	parts := node.Client(rings.PartitionsKind())
	lc, err := ring.NewBasicLifecycler(cfg, "ingester", "ring", store, delegate, logger, reg)
	if err != nil {
		panic(err)
	}
	fmt.Println(lc.GetInstanceID(), parts.Capabilities().LinearizableCAS)
	// Output: ingester-1 false
}
