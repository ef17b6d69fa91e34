package rings_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-kit/log"
	"github.com/grafana/dskit/flagext"
	"github.com/grafana/dskit/kv"
	"github.com/grafana/dskit/ring"
	"github.com/grafana/dskit/services"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/starlingkv/starling"
	"github.com/starlingkv/starling/lab/dskit/rings"
)

const (
	key       = "collectors/ring"
	numTokens = 64
	beats     = 200 * time.Millisecond
)

// fleet is three nodes, and a ring of dskit on each.
type fleet struct {
	t      *testing.T
	stores []kv.Client
	rings  []*ring.Ring
}

// newFleet opens the nodes. An instance whose last heartbeat is older than
// heartbeat is unhealthy.
func newFleet(t *testing.T, heartbeat time.Duration) *fleet {
	t.Helper()
	t.Parallel()
	f := &fleet{t: t}
	first := ""
	for i := range 3 {
		o := starling.Options{Name: fmt.Sprint("node-", i)}
		if i > 0 {
			o.Seeds = []string{first}
		}
		n, err := starling.Open(o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := n.Close(); err != nil {
				t.Error(err)
			}
		})
		if i == 0 {
			first = n.Addr()
		}
		f.stores = append(f.stores, n.Client(rings.DescKind()))
		var cfg ring.Config
		flagext.DefaultValues(&cfg)
		cfg.HeartbeatTimeout = heartbeat
		r, err := ring.NewWithStoreClientAndStrategy(cfg, "ingester", key, f.stores[i], ring.NewDefaultReplicationStrategy(), prometheus.NewRegistry(), log.NewNopLogger())
		if err != nil {
			t.Fatal(err)
		}
		f.rings = append(f.rings, r)
		f.start(r)
	}
	return f
}

// start runs a service of dskit until the test ends.
func (f *fleet) start(s services.Service) {
	f.t.Helper()
	if err := services.StartAndAwaitRunning(f.t.Context(), s); err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { f.stop(s) })
}

func (f *fleet) stop(s services.Service) {
	f.t.Helper()
	if err := services.StopAndAwaitTerminated(context.Background(), s); err != nil {
		f.t.Error(err)
	}
}

// each waits until every ring shows what is wanted.
func (f *fleet) each(what string, within time.Duration, got func(*ring.Ring) string, want string) {
	f.t.Helper()
	deadline := time.After(within)
	for i, r := range f.rings {
		for got(r) != want {
			select {
			case <-deadline:
				f.t.Fatalf("%s: after %v ring %d shows %s, want %s", what, within, i, got(r), want)
			case <-time.After(10 * time.Millisecond):
			}
		}
	}
}

// healthy is the instances that a ring takes for alive, with their states.
func healthy(r *ring.Ring) string {
	set, err := r.GetAllHealthy(ring.Reporting)
	if err != nil {
		return err.Error()
	}
	var out []string
	for _, in := range set.Instances {
		out = append(out, fmt.Sprint(in.Id, " ", in.State, " ", len(in.Tokens)))
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

// active is how three or less instances show that all are well.
func active(ids ...string) string {
	var out []string
	for _, id := range ids {
		out = append(out, fmt.Sprint(id, " ACTIVE ", numTokens))
	}
	return strings.Join(out, ", ")
}

// basic runs a BasicLifecycler on a node.
func (f *fleet) basic(i int, change func(*ring.BasicLifecyclerConfig)) *ring.BasicLifecycler {
	f.t.Helper()
	cfg := ring.BasicLifecyclerConfig{
		ID: fmt.Sprint("gi-", i), Addr: fmt.Sprintf("10.0.0.%d:9095", i), Zone: fmt.Sprint("zone-", i),
		HeartbeatPeriod: beats, HeartbeatTimeout: time.Minute, TokensObservePeriod: 100 * time.Millisecond, NumTokens: numTokens,
	}
	if change != nil {
		change(&cfg)
	}
	d := ring.BasicLifecyclerDelegate(ring.NewInstanceRegisterDelegate(ring.ACTIVE, numTokens))
	d = ring.NewLeaveOnStoppingDelegate(d, log.NewNopLogger())
	lc, err := ring.NewBasicLifecycler(cfg, "ingester", key, f.stores[i], d, log.NewNopLogger(), prometheus.NewRegistry())
	if err != nil {
		f.t.Fatal(err)
	}
	f.start(lc)
	return lc
}

// TestBasicLifecyclers: three instances register, each on its node; all see three
// ACTIVE, heartbeats, quorums and the same shuffle shards; one leaves, and all see
// two.
func TestBasicLifecyclers(t *testing.T) {
	f := newFleet(t, time.Minute)
	var lifecyclers []*ring.BasicLifecycler
	for i := range 3 {
		lifecyclers = append(lifecyclers, f.basic(i, nil))
	}
	f.each("three registered", 2*time.Second, healthy, active("gi-0", "gi-1", "gi-2"))
	f.quorums(3)
	f.shards()
	f.beats("gi-1")
	f.stop(lifecyclers[1])
	f.each("one left", 2*time.Second, healthy, active("gi-0", "gi-2"))
	for _, r := range f.rings {
		if r.HasInstance("gi-1") {
			t.Error("the one that left is still there")
		}
	}
}

// quorums asks each ring for the instances of a token.
func (f *fleet) quorums(want int) {
	f.t.Helper()
	descs, hosts, zones := ring.MakeBuffersForGet()
	for i, r := range f.rings {
		set, err := r.Get(1<<31, ring.Write, descs, hosts, zones)
		if err != nil || len(set.Instances) != want {
			f.t.Errorf("ring %d writes to %d instances, %v, want %d", i, len(set.Instances), err, want)
		}
	}
}

// shards holds the rings to the same shuffle shards, each of two instances.
func (f *fleet) shards() {
	f.t.Helper()
	for i := range 20 {
		tenant := fmt.Sprint("tenant-", i)
		shard := func(r *ring.Ring) string {
			set, err := r.ShuffleShard(tenant, 2).GetAllHealthy(ring.Reporting)
			if err != nil {
				return err.Error()
			}
			ids := []string{}
			for _, in := range set.Instances {
				ids = append(ids, in.Id)
			}
			slices.Sort(ids)
			return fmt.Sprint(ids)
		}
		want := shard(f.rings[0])
		if strings.Count(want, "gi-") != 2 {
			f.t.Fatalf("a shard of two of three: %s", want)
		}
		f.each(tenant, time.Second, shard, want)
	}
}

// beats waits until every node has heard an instance's heart beat twice. What the
// store holds is asked: a ring shows a heartbeat only when something else changes.
func (f *fleet) beats(id string) {
	f.t.Helper()
	deadline := time.After(5 * time.Second)
	first := f.timestamp(f.stores[0], id)
	for i, store := range f.stores {
		for f.timestamp(store, id) < first+2 {
			select {
			case <-deadline:
				f.t.Fatalf("node %d: the heart of %s does not beat", i, id)
			case <-time.After(10 * time.Millisecond):
			}
		}
	}
}

func (f *fleet) timestamp(store kv.Client, id string) int64 {
	f.t.Helper()
	v, err := store.Get(f.t.Context(), key)
	if err != nil {
		f.t.Fatal(err)
	}
	return v.(*ring.Desc).Ingesters[id].Timestamp
}

// TestForget: an instance that stopped without leaving becomes unhealthy, and is
// forgotten through the page of a ring on another node.
func TestForget(t *testing.T) {
	f := newFleet(t, 2*time.Second)
	var dead *ring.BasicLifecycler
	for i := range 3 {
		dead = f.basic(i, func(cfg *ring.BasicLifecyclerConfig) { cfg.KeepInstanceInTheRingOnShutdown = true })
	}
	f.each("three registered", 2*time.Second, healthy, active("gi-0", "gi-1", "gi-2"))
	f.stop(dead)
	f.each("one is unhealthy", 5*time.Second, healthy, active("gi-0", "gi-1"))
	for i, r := range f.rings {
		if !r.HasInstance("gi-2") {
			t.Errorf("ring %d has forgotten the unhealthy one by itself", i)
		}
	}
	form := strings.NewReader(url.Values{"forget": {"gi-2"}}.Encode())
	req := httptest.NewRequest(http.MethodPost, "/ring", form)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer := httptest.NewRecorder()
	f.rings[0].ServeHTTP(answer, req)
	if answer.Code != http.StatusFound {
		t.Fatalf("forget: %d %s", answer.Code, answer.Body)
	}
	f.each("forgotten", time.Second, func(r *ring.Ring) string { return fmt.Sprint(r.HasInstance("gi-2")) }, "false")
}

// lifecycler runs a Lifecycler on a node.
func (f *fleet) lifecycler(i int) *ring.Lifecycler {
	f.t.Helper()
	var cfg ring.LifecyclerConfig
	flagext.DefaultValues(&cfg)
	cfg.RingConfig.KVStore.Mock = f.stores[i]
	cfg.ID, cfg.Addr, cfg.Port, cfg.Zone = fmt.Sprint("gi-", i), fmt.Sprint("10.0.0.", i), 9095, fmt.Sprint("zone-", i)
	cfg.NumTokens, cfg.HeartbeatPeriod, cfg.FinalSleep = numTokens, beats, 0
	lc, err := ring.NewLifecycler(cfg, ring.NewNoopFlushTransferer(), "ingester", key, true, log.NewNopLogger(), prometheus.NewRegistry())
	if err != nil {
		f.t.Fatal(err)
	}
	f.start(lc)
	return lc
}

// TestLifecyclers is the same with the other lifecycler of dskit, which goes from
// PENDING through JOINING to ACTIVE within a second.
func TestLifecyclers(t *testing.T) {
	f := newFleet(t, time.Minute)
	var last *ring.Lifecycler
	for i := range 3 {
		last = f.lifecycler(i)
	}
	f.each("three joined", 3*time.Second, healthy, active("gi-0", "gi-1", "gi-2"))
	f.beats("gi-0")
	f.stop(last)
	f.each("one left", 3*time.Second, healthy, active("gi-0", "gi-1"))
}
