package linear_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/starlingkv/starling/internal/lab"
	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/consulkv"
	"github.com/starlingkv/starling/kv/etcdkv"
	"github.com/starlingkv/starling/kv/memkv"
	"github.com/starlingkv/starling/kv/natskv"
	"github.com/starlingkv/starling/lab/consul/consullab"
	"github.com/starlingkv/starling/lab/linear"
	"github.com/starlingkv/starling/lab/stores/etcdlab"
	"github.com/starlingkv/starling/lab/stores/natslab"
)

const clients = 5

// after waits, or until the test is over.
func after(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// prove records a run and checks it.
func prove(t *testing.T, open func() kv.Client, faults func(ctx context.Context)) {
	t.Helper()
	var all []kv.Client
	for range clients {
		all = append(all, open())
	}
	r, err := linear.Record(t.Context(), all, linear.Load{}, faults)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(r)
	if err := r.History.Check(); err != nil {
		t.Error(err)
	}
	if err := r.CheckWatches(); err != nil {
		t.Error(err)
	}
	if n := r.History.Len(); n < 500 {
		t.Errorf("%d calls: too few to prove anything", n)
	}
}

func TestMemory(t *testing.T) {
	c := memkv.New(kv.String)
	defer c.Close()
	prove(t, func() kv.Client { return c.With(kv.String) }, func(ctx context.Context) { after(ctx, 2*time.Second) })
}

// lines are what stands between the clients and the members of a cluster.
type lines []*lab.Proxy

// disturb cuts one line after the other, or makes it lose the answers, for most of a second of each two.
func (ls lines) disturb(ctx context.Context, rounds int) {
	for i := range rounds {
		line := ls[i%len(ls)]
		if i%2 == 0 {
			line.Cut()
		} else {
			line.Mute()
		}
		after(ctx, 300*time.Millisecond)
		line.Heal()
		after(ctx, 400*time.Millisecond)
	}
}

func before(t *testing.T, addresses []string) (ls lines, behind []string) {
	t.Helper()
	for _, a := range addresses {
		p := lab.Before(t, a)
		ls, behind = append(ls, p), append(behind, p.Address)
	}
	return ls, behind
}

func TestEtcd(t *testing.T) {
	cluster := etcdlab.Start(t, 3)
	ls, endpoints := before(t, cluster.Endpoints())
	prove(t, func() kv.Client {
		c, err := etcdkv.New(endpoints, kv.String)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}, func(ctx context.Context) {
		ls.disturb(ctx, 4)
		dead := cluster.Leader()
		dead.Kill()
		after(ctx, 2*time.Second)
		ls.disturb(ctx, 4)
		dead.Restart()
		ls.disturb(ctx, 4)
	})
}

func TestNATS(t *testing.T) {
	cluster := natslab.StartCluster(t)
	var addresses []string
	for _, m := range cluster.Members {
		addresses = append(addresses, m.Address())
	}
	ls, endpoints := before(t, addresses)
	servers := "nats://" + strings.Join(endpoints, ",nats://")
	prove(t, func() kv.Client {
		c, err := natskv.New(servers, kv.String, natskv.Bucket("linear"), natskv.Replicas(3))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}, func(ctx context.Context) {
		ls.disturb(ctx, 4)
		dead := cluster.LeaderOf("linear")
		dead.Kill()
		after(ctx, 10*time.Second) // it takes the others 4 to 9 s to elect another
		ls.disturb(ctx, 4)
		dead.Restart()
		ls.disturb(ctx, 4)
	})
}

func TestConsul(t *testing.T) {
	agent := consullab.Start(t)
	line := agent.Proxy(t)
	prove(t, func() kv.Client {
		c, err := consulkv.New(line.URL(), kv.String)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}, func(ctx context.Context) {
		for range 8 {
			line.Cut()
			after(ctx, 300*time.Millisecond)
			line.Heal()
			after(ctx, 400*time.Millisecond)
		}
		agent.Kill()
		after(ctx, time.Second)
		agent.Restart()
		after(ctx, 3*time.Second)
	})
}
