package elect_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/starlingkv/starling/elect"
	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/memkv"
)

const key = "leader/compactor"

func open(t *testing.T) *memkv.Client {
	c := memkv.New(kv.Bytes)
	t.Cleanup(func() { c.Close() })
	return c
}

// line is a candidate's connection to the store. A cut one says nothing until its caller gives up; a lossy one does what
// it is told and loses the answer.
type line struct {
	*memkv.Client
	cut, lossy atomic.Bool
}

func (l *line) CAS(ctx context.Context, key string, f func(any) (any, bool, error)) error {
	if l.cut.Load() {
		<-ctx.Done()
		return kv.Wrap("cas", key, kv.Ended(ctx))
	}
	err := l.Client.CAS(ctx, key, f)
	if err == nil && l.lossy.Load() {
		return kv.Wrap("cas", key, errors.New("connection reset"))
	}
	return err
}

func campaign(t *testing.T, ctx context.Context, c kv.Client, id string) *elect.Leadership {
	t.Helper()
	l, err := elect.Campaign(ctx, c, key, id)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestResignHandsOverAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t)
		a := campaign(t, t.Context(), c, "a")
		next := make(chan *elect.Leadership)
		go func() { next <- campaign(t, t.Context(), c, "b") }()
		time.Sleep(time.Minute)
		select {
		case <-next:
			t.Fatal("two lead at once")
		default:
		}
		before := time.Now()
		if err := a.Resign(t.Context()); err != nil {
			t.Fatal(err)
		}
		b := <-next
		if took := time.Since(before); took > 2*elect.DefaultLease/10 {
			t.Errorf("the handover took %v", took)
		}
		if b.Token() <= a.Token() || !errors.Is(context.Cause(a.Context()), elect.ErrResigned) {
			t.Errorf("tokens %d and then %d; the first ended by %v", a.Token(), b.Token(), context.Cause(a.Context()))
		}
		if err := b.Resign(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestAVanishedLeaderIsReplacedAfterItsLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t)
		first := &line{Client: c}
		a := campaign(t, t.Context(), first, "a")
		time.Sleep(20 * time.Second)
		first.cut.Store(true)
		cut := time.Now()
		b := campaign(t, t.Context(), c, "b")
		took := time.Since(cut)
		if took < elect.DefaultLease*6/10 || took > elect.DefaultLease*12/10 {
			t.Errorf("the takeover came after %v, want about a lease of %v", took, elect.DefaultLease)
		}
		if !errors.Is(context.Cause(a.Context()), elect.ErrLost) {
			t.Errorf("the first leadership ended by %v", context.Cause(a.Context()))
		}
		var f elect.Fence
		if err := f.Admit(b.Token()); err != nil {
			t.Error(err)
		}
		if err := f.Admit(a.Token()); !errors.Is(err, elect.ErrLost) {
			t.Errorf("the resource admits the former leader: %v", err)
		}
		if err := b.Resign(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

// TestAtMostOneLeads runs five candidates for hours, whose connections are cut and lose answers at random.
func TestAtMostOneLeads(t *testing.T) {
	for seed := range uint64(10) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { atMostOne(t, rand.New(rand.NewPCG(seed, 1))) })
		})
	}
}

func atMostOne(t *testing.T, rng *rand.Rand) {
	c := open(t)
	ctx, stop := context.WithCancel(t.Context())
	var mu sync.Mutex
	leading := make(map[string]*elect.Leadership)
	var last uint64
	won := func(id string, l *elect.Leadership) {
		mu.Lock()
		defer mu.Unlock()
		if l.Token() <= last {
			t.Errorf("%s won with token %d after %d", id, l.Token(), last)
		}
		last = l.Token()
		for other, held := range leading {
			if held.Context().Err() == nil {
				t.Errorf("%s leads with token %d while %s leads with %d", id, l.Token(), other, held.Token())
			}
		}
		leading[id] = l
	}
	lines := make([]*line, 5)
	var wg sync.WaitGroup
	for i := range lines {
		lines[i] = &line{Client: c}
		id := fmt.Sprint("node-", i)
		wg.Go(func() {
			for ctx.Err() == nil {
				l, err := elect.Campaign(ctx, lines[i], key, id)
				if err != nil {
					continue // ctx has ended
				}
				won(id, l)
				<-l.Context().Done()
			}
		})
	}
	for range 2000 {
		l := lines[rng.IntN(len(lines))]
		l.cut.Store(rng.IntN(3) == 0)
		l.lossy.Store(rng.IntN(4) == 0)
		time.Sleep(time.Duration(rng.Int64N(int64(elect.DefaultLease))))
	}
	for _, l := range lines {
		l.cut.Store(false)
		l.lossy.Store(false)
	}
	time.Sleep(3 * elect.DefaultLease)
	mu.Lock()
	live := 0
	for _, l := range leading {
		if l.Context().Err() == nil {
			live++
		}
	}
	if live != 1 || last < 100 {
		t.Errorf("%d lead in the end after %d elections, want 1 after very many", live, last)
	}
	mu.Unlock()
	stop()
	wg.Wait()
}

// TestALeaderDoesNotTakeBack shows a leader that slept through its lease, as the store sees it: the record is another's.
func TestALeaderDoesNotTakeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t)
		a := campaign(t, t.Context(), c, "a")
		other := `{"v":1,"holder":"b","token":9,"lease_ms":15000,"beat":0}`
		if _, err := c.Put(t.Context(), key, []byte(other)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(elect.DefaultLease / 2)
		if !errors.Is(context.Cause(a.Context()), elect.ErrLost) {
			t.Errorf("the leadership ended by %v, want ErrLost at the next beat", context.Cause(a.Context()))
		}
		if v, _ := c.Get(t.Context(), key); string(v.([]byte)) != other {
			t.Errorf("the record of the other was written over: %s", v)
		}
	})
}

func TestObserve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t)
		ctx, cancel := context.WithCancel(t.Context())
		var told []string
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for l, err := range elect.Observe(ctx, c, key) {
				told = append(told, fmt.Sprint(l.ID, " ", l.Token, " ", err != nil))
			}
		}()
		a := campaign(t, t.Context(), c, "a")
		time.Sleep(time.Minute) // renewals are no news
		if err := a.Resign(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		b := campaign(t, t.Context(), c, "b")
		synctest.Wait()
		if err := b.Resign(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if _, err := c.Put(t.Context(), key, []byte("garbage")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		cancel()
		<-ended
		want := "a 1 false,  0 false, b 2 false,  0 false,  0 true"
		if got := strings.Join(told, ", "); got != want {
			t.Errorf("told %q, want %q", got, want)
		}
	})
}

// gossip is a store that cannot choose one winner.
type gossip struct{ *memkv.Client }

func (gossip) Capabilities() kv.Capabilities { return kv.Capabilities{} }

func TestCampaignRefuses(t *testing.T) {
	c := open(t)
	if _, err := elect.Campaign(t.Context(), gossip{c}, key, "a"); !errors.Is(err, kv.ErrNotLinearizable) {
		t.Errorf("a store that is not linearizable: %v", err)
	}
	if _, err := elect.Campaign(t.Context(), c, "", "a"); !errors.Is(err, kv.ErrBadKey) {
		t.Errorf("no key: %v", err)
	}
	for _, id := range []string{"", strings.Repeat("x", 257)} {
		if _, err := elect.Campaign(t.Context(), c, key, id); err == nil {
			t.Errorf("an id of %d bytes is taken", len(id))
		}
	}
	for _, d := range []time.Duration{0, time.Millisecond, 2 * time.Hour} {
		if _, err := elect.Campaign(t.Context(), c, key, "a", elect.Lease(d)); err == nil {
			t.Errorf("a lease of %v is taken", d)
		}
	}
	if _, err := c.Put(t.Context(), "other", []byte("no record")); err != nil {
		t.Fatal(err)
	}
	if _, err := elect.Campaign(t.Context(), c, "other", "a"); !errors.Is(err, kv.ErrDecode) {
		t.Errorf("a key that holds something else: %v", err)
	}
	if v, _ := c.Get(t.Context(), "other"); string(v.([]byte)) != "no record" {
		t.Errorf("the campaign wrote over it: %q", v)
	}
	c.Close()
	if _, err := elect.Campaign(t.Context(), c, key, "a"); !errors.Is(err, kv.ErrClosed) {
		t.Errorf("a closed store: %v", err)
	}
}

func TestTheContextOfTheCampaignEndsTheLeadership(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t)
		ctx, cancel := context.WithCancel(t.Context())
		a := campaign(t, ctx, c, "a")
		cancel()
		synctest.Wait()
		if a.Context().Err() == nil {
			t.Error("still leading")
		}
		before := time.Now()
		b := campaign(t, t.Context(), c, "b") // the record was given back
		if time.Since(before) > elect.DefaultLease/5 {
			t.Errorf("the record was not given back: %v", time.Since(before))
		}
		if err := b.Resign(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}
