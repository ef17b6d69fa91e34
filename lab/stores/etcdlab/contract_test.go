package etcdlab

import (
	"flag"
	"log/slog"
	"testing"
	"time"

	"github.com/starlingkv/starling/internal/lab"
	"github.com/starlingkv/starling/internal/storedoc"
	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/etcdkv"
	"github.com/starlingkv/starling/kv/kvtest"

	"go.etcd.io/etcd/api/v3/version"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

var rewrite = flag.Bool("rewrite", false, "write the row of docs/stores.md anew")

func TestContract(t *testing.T) {
	t.Parallel()
	c := Start(t, 1)
	line := lab.Before(t, c.Members[0].Endpoint)
	kvtest.Run(t, kvtest.Suite{TTL: time.Second, New: func(t testing.TB, log *slog.Logger) kvtest.Store {
		store := storeOf(openAt(t, []string{line.Address}, etcdkv.Logger(log)))
		store.Line = line.Writes(noted, func(codec kv.Codec) kv.Client { return open(t, c).With(codec) })
		c.empty(t)
		return store
	}, Report: storedoc.Keep(t, storedoc.Place{
		File: "../../../docs/stores.md", Store: "etcd", Against: "etcd " + version.Version + ": one member; three, the leader killed again and again", Rewrite: *rewrite,
	})})
}

// noted is in every write of a value of the suite, and in nothing else: the end of the key of its note.
const noted = "\x00kvtest."

// TestContractOfACluster runs all of it on three members, of which one is killed, and started again, time after time while
// a check runs; whoever leads among them.
func TestContractOfACluster(t *testing.T) {
	t.Parallel()
	c := Start(t, 3)
	next, opened, kills := opener(c), 0, 0
	h := newHand(t)
	kvtest.Run(t, kvtest.Suite{TTL: time.Second, Within: 2 * lostProposal, New: func(t testing.TB, log *slog.Logger) kvtest.Store {
		h.wait()
		store := next(t, log)
		switch opened++; opened % killEvery {
		case killEvery / 2:
			kills++
			h.do(func() { c.killLeader(t) })
		case 0:
			h.do(c.restart)
			h.wait()
		}
		return store
	}})
	h.wait()
	t.Logf("%d stores opened, the leader killed %d times", opened, kills)
}

// lostProposal is how long a member waits before it says that a request was lost with the leader: 5 s and two elections, a
// constant of etcd. What such a write does "soon" it does after that.
const lostProposal = 5*time.Second + 2*200*time.Millisecond

// killEvery is in how many checks the leader is killed once: half of them run on two members.
const killEvery = 12

// killLeader waits for the cluster to have a leader, and kills it.
func (c *Cluster) killLeader(t testing.TB) {
	limit, again := time.NewTimer(within), time.NewTicker(10*time.Millisecond)
	defer limit.Stop()
	defer again.Stop()
	for {
		if m := c.Leader(); m != nil {
			m.Kill()
			return
		}
		select {
		case <-again.C:
		case <-limit.C:
			t.Error("no member leads")
			return
		}
	}
}

// restart starts every member that is down.
func (c *Cluster) restart() {
	for _, m := range c.Members {
		if !m.Running() {
			m.Restart()
		}
	}
}

// hand does one thing after the other beside the checks, which must not be taken to have started what it starts.
type hand struct {
	todo   chan func()
	done   chan struct{}
	behind int // what was not waited for yet
}

func newHand(t *testing.T) *hand {
	h := &hand{todo: make(chan func(), 1), done: make(chan struct{}, 1)}
	go func() {
		for f := range h.todo {
			f()
			h.done <- struct{}{}
		}
	}()
	t.Cleanup(func() { close(h.todo) })
	return h
}

// do begins f, after whatever was begun before.
func (h *hand) do(f func()) {
	h.behind++
	h.todo <- f
}

// wait waits for what was begun.
func (h *hand) wait() {
	for ; h.behind > 0; h.behind-- {
		<-h.done
	}
}

// TestContractAcrossMembers writes through one member and observes through another.
func TestContractAcrossMembers(t *testing.T) {
	t.Parallel()
	c := Start(t, 3)
	kvtest.RunEventual(t, kvtest.Cluster{New: func(t testing.TB, log *slog.Logger) kvtest.Members {
		c.empty(t)
		by := func(m *Member) func(kv.Codec) kv.Client {
			client := openAt(t, []string{m.Endpoint}, etcdkv.Logger(log))
			return func(codec kv.Codec) kv.Client { return client.With(codec) }
		}
		return kvtest.Members{Write: by(c.Members[0]), Observe: by(c.Members[1])}
	}})
}

// opener opens clients of an emptied cluster.
func opener(c *Cluster) func(t testing.TB, log *slog.Logger) kvtest.Store {
	return func(t testing.TB, log *slog.Logger) kvtest.Store {
		client := open(t, c, etcdkv.Logger(log))
		c.empty(t)
		return storeOf(client)
	}
}

func storeOf(c *etcdkv.Client) kvtest.Store {
	return kvtest.Store{
		Client: func(codec kv.Codec) kv.Client { return c.With(codec) },
		Close:  func() { c.Close() },
	}
}

func open(t testing.TB, c *Cluster, opts ...etcdkv.Option) *etcdkv.Client {
	t.Helper()
	return openAt(t, c.Endpoints(), opts...)
}

func openAt(t testing.TB, endpoints []string, opts ...etcdkv.Option) *etcdkv.Client {
	t.Helper()
	client, err := etcdkv.New(endpoints, kv.Bytes, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

// empty removes every key, those that are none to starling too. It asks again when the leader dies with the request.
func (c *Cluster) empty(t testing.TB) {
	t.Helper()
	plain := c.plain(t)
	defer plain.Close() // or its goroutines would be counted as those of the client under test
	again, limit := time.NewTicker(10*time.Millisecond), time.NewTimer(2*within)
	defer again.Stop()
	defer limit.Stop()
	for {
		_, err := plain.Delete(t.Context(), "\x00", clientv3.WithFromKey())
		if err == nil {
			return
		}
		select {
		case <-again.C:
		case <-limit.C:
			t.Fatal(err)
		}
	}
}

// plain is etcd's own client, as others use it.
func (c *Cluster) plain(t testing.TB) *clientv3.Client {
	t.Helper()
	plain, err := clientv3.New(clientv3.Config{Endpoints: c.Endpoints(), DialTimeout: 5 * time.Second, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { plain.Close() })
	return plain
}
