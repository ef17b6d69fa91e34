package linear_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/starlingkv/starling/elect"
	"github.com/starlingkv/starling/internal/lab"
	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/consulkv"
	"github.com/starlingkv/starling/kv/etcdkv"
	"github.com/starlingkv/starling/kv/natskv"
	"github.com/starlingkv/starling/lab/consul/consullab"
	"github.com/starlingkv/starling/lab/stores/etcdlab"
	"github.com/starlingkv/starling/lab/stores/natslab"
)

const (
	office = "leader/compactor"
	lease  = time.Second
	terms  = 5
)

// candidate is one process that wants to lead, and the line from it to its store.
type candidate struct {
	id     string
	client kv.Client
	line   interface {
		Cut()
		Heal()
	}
}

// hall is where the candidates meet: who leads, as each of them believes.
type hall struct {
	testing.TB
	won chan *reign

	mu    sync.Mutex
	reign map[string]*elect.Leadership
	last  uint64
	fence elect.Fence
}

// reign is a won election.
type reign struct {
	*elect.Leadership
	by *candidate
}

// enter notes a leadership. Nobody else may believe to lead, and its token is greater than any before.
func (h *hall) enter(r *reign) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for id, other := range h.reign {
		if other.Context().Err() == nil {
			h.Errorf("%s leads with token %d while %s leads with %d", r.by.id, r.Token(), id, other.Token())
		}
	}
	if r.Token() <= h.last {
		h.Errorf("token %d of %s comes after %d", r.Token(), r.by.id, h.last)
	}
	if err := h.fence.Admit(r.Token()); err != nil {
		h.Error(err)
	}
	h.last, h.reign[r.by.id] = r.Token(), r.Leadership
}

// elections lets candidates lead one after the other: the line of each leader is cut, so that it vanishes as if it had been
// killed, and one resigns.
func elections(t *testing.T, candidates []*candidate) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	h := &hall{TB: t, won: make(chan *reign, len(candidates)), reign: make(map[string]*elect.Leadership)}
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	for _, c := range candidates {
		running.Go(func() {
			for ctx.Err() == nil {
				l, err := elect.Campaign(ctx, c.client, office, c.id, elect.Lease(lease))
				if err != nil {
					if ctx.Err() == nil {
						t.Errorf("%s: %v", c.id, err)
					}
					return
				}
				r := &reign{l, c}
				h.enter(r)
				h.won <- r
				<-l.Context().Done()
			}
		})
	}
	for term := range terms {
		r := h.next(t)
		if term == terms-1 {
			if err := r.Resign(t.Context()); err != nil {
				t.Errorf("%s could not resign: %v", r.by.id, err)
			}
			h.next(t)
			return
		}
		r.by.line.Cut()
		select {
		case <-r.Context().Done():
		case <-time.After(lease):
			t.Errorf("%s, who is cut off, still believes to lead after a whole lease", r.by.id)
		}
		if cause := context.Cause(r.Context()); !errors.Is(cause, elect.ErrLost) {
			t.Errorf("%s lost its leadership by %v", r.by.id, cause)
		}
		defer r.by.line.Heal()
		if term%2 == 1 {
			r.by.line.Heal()
		}
	}
}

// takeover is how long the next leader may take: a lease, and as long as a store takes to answer candidates whose lines
// were cut, or to elect a leader of its own.
const takeover = 15 * time.Second

func (h *hall) next(t *testing.T) *reign {
	t.Helper()
	select {
	case r := <-h.won:
		return r
	case <-time.After(takeover):
		t.Fatalf("nobody leads after %v", takeover)
		return nil
	}
}

func TestElectionsOnEtcd(t *testing.T) {
	cluster := etcdlab.Start(t, 3)
	elections(t, stand(t, func(i int) (kv.Client, *lab.Proxy, error) {
		line := lab.Before(t, cluster.Members[i%3].Endpoint)
		c, err := etcdkv.New([]string{line.Address}, kv.Bytes)
		if err == nil {
			t.Cleanup(func() { c.Close() })
		}
		return c, line, err
	}))
}

func TestElectionsOnNATS(t *testing.T) {
	cluster := natslab.StartCluster(t)
	elections(t, stand(t, func(i int) (kv.Client, *lab.Proxy, error) {
		line := lab.Before(t, cluster.Members[i%3].Address())
		c, err := natskv.New("nats://"+line.Address, kv.Bytes, natskv.Bucket("elect"), natskv.Replicas(3))
		if err == nil {
			t.Cleanup(func() { c.Close() })
		}
		return c, line, err
	}))
}

func TestElectionsOnConsul(t *testing.T) {
	agent := consullab.Start(t)
	elections(t, stand(t, func(int) (kv.Client, *lab.Proxy, error) {
		line := lab.Before(t, agent.Address())
		c, err := consulkv.New("http://"+line.Address, kv.Bytes)
		if err == nil {
			t.Cleanup(func() { c.Close() })
		}
		return c, line, err
	}))
}

// stand makes the candidates, each with a line of its own.
func stand(t *testing.T, open func(i int) (kv.Client, *lab.Proxy, error)) (all []*candidate) {
	t.Helper()
	for i := range 5 {
		c, line, err := open(i)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, &candidate{id: fmt.Sprint("node-", i), client: c, line: line})
	}
	return all
}
