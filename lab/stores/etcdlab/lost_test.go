package etcdlab

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/starlingkv/starling/internal/lab"
	"github.com/starlingkv/starling/kv"
)

// TestLostAnswer loses the answer of the cluster to a write that happened.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	cluster := Start(t, 1)
	plain := cluster.plain(t)
	proxy := lab.Before(t, cluster.Members[0].Endpoint)
	c := openAt(t, []string{proxy.Address})
	happened := func(key string) {
		t.Helper()
		again, limit := time.NewTicker(5*time.Millisecond), time.NewTimer(within)
		defer again.Stop()
		defer limit.Stop()
		for {
			if now, err := plain.Get(t.Context(), key); err == nil && len(now.Kvs) == 1 && string(now.Kvs[0].Value) == "01" {
				return
			}
			select {
			case <-again.C:
			case <-limit.C:
				t.Fatalf("%s: the write does not reach the server", key)
			}
		}
	}

	// The answer to the read of a CAS would be lost too, so it is a Put over a version that is known.
	v, err := c.Put(t.Context(), "alone", []byte("0"))
	if err != nil {
		t.Fatal(err)
	}
	answer := make(chan error, 1)
	put := func(key, version string) {
		_, err := c.Put(t.Context(), key, []byte("01"), kv.IfVersion(version))
		answer <- err
	}
	proxy.Mute()
	go put("alone", v)
	happened("alone")
	proxy.Heal()
	if err := <-answer; err != nil {
		t.Errorf("a write that happened, as its note says: %v", err)
	}
	if now, err := plain.Get(t.Context(), "alone"); err != nil || now.Kvs[0].Version != 2 {
		t.Errorf("it was written %d times, %v; want once after the first", now.Kvs[0].Version, err)
	}

	if v, err = c.Put(t.Context(), "raced", []byte("0")); err != nil {
		t.Fatal(err)
	}
	proxy.Mute()
	go put("raced", v)
	happened("raced")
	if _, err := plain.Put(t.Context(), "raced", "of another"); err != nil {
		t.Fatal(err)
	}
	proxy.Heal()
	if err := <-answer; !errors.Is(err, kv.ErrUnknown) || errors.Is(err, kv.ErrConflict) {
		t.Errorf("a write of which nobody can tell: %v, want ErrUnknown and no ErrConflict", err)
	}
}

// TestLostAnswerOfACreate: what was created is deleted by another before its writer, whose answer got lost, asks again. The
// key is absent then, as he expects it, and he must not create it a second time.
func TestLostAnswerOfACreate(t *testing.T) {
	t.Parallel()
	cluster := Start(t, 1)
	proxy := lab.Before(t, cluster.Members[0].Endpoint)
	c := openAt(t, []string{proxy.Address})
	if _, err := c.Put(t.Context(), "other", []byte("0")); err != nil {
		t.Fatal(err)
	}
	for i, opts := range [][]kv.PutOption{{kv.IfAbsent()}, nil} {
		if err := createdAndDeleted(t, cluster.plain(t), proxy, func(ctx context.Context) error {
			_, err := c.Put(ctx, fmt.Sprint("k", i), []byte("v"), opts...)
			return err
		}); err != nil {
			t.Errorf("k%d: a create that happened: %v", i, err)
		}
	}
}

// createdAndDeleted loses the answer to a create until another has deleted the key, and returns what the writer is told.
func createdAndDeleted(t *testing.T, plain *clientv3.Client, proxy *lab.Proxy, create func(context.Context) error) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	rows := plain.Watch(ctx, "k", clientv3.WithPrefix())
	proxy.Mute()
	answer := make(chan error, 1)
	go func() { answer <- create(ctx) }()
	key := ""
	for key == "" {
		resp, ok := <-rows
		if !ok {
			t.Fatal("the write does not reach the server")
		}
		if len(resp.Events) > 0 {
			key = string(resp.Events[0].Kv.Key)
		}
	}
	if _, err := plain.Delete(ctx, key); err != nil {
		t.Fatal(err)
	}
	proxy.Heal()
	err := <-answer
	if now, err := plain.Get(ctx, key); err != nil || len(now.Kvs) != 0 {
		t.Errorf("%s: it was created a second time: %v, %v", key, now.Kvs, err)
	}
	return err
}

// TestACreateAfterARestore: a cluster that was restored from a backup counts its revisions anew, so a client that knew a
// later one cannot search from there; once it has noticed, it can tell again.
func TestACreateAfterARestore(t *testing.T) {
	t.Parallel()
	cluster := Start(t, 1)
	m := cluster.Members[0]
	proxy := lab.Before(t, m.Endpoint)
	c := openAt(t, []string{proxy.Address})
	m.Kill()
	restore := m.Backup()
	m.Restart()
	for range 20 {
		if _, err := c.Put(t.Context(), "other", []byte("0")); err != nil {
			t.Fatal(err)
		}
	}
	m.Kill()
	restore()
	m.Restart()
	plain := cluster.plain(t)
	// A list connects the client again, and tells it nothing of the revision: that is for reads of one key, and for writes.
	if _, err := c.List(t.Context(), "none"); err != nil {
		t.Fatal(err)
	}
	create := func(ctx context.Context) error {
		_, err := c.Put(ctx, "k", []byte("v"), kv.IfAbsent())
		return err
	}
	if err := createdAndDeleted(t, plain, proxy, create); !errors.Is(err, kv.ErrUnknown) || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a create that nobody can tell of: %v, want ErrUnknown at once", err)
	}
	if err := createdAndDeleted(t, plain, proxy, create); err != nil {
		t.Errorf("the next create: %v", err)
	}
}

// TestAWriteThatNeverArrived: when its connection ends, its writer cannot know that it did not happen, and finds out.
// Nothing else is written meanwhile, so there is no history to search.
func TestAWriteThatNeverArrived(t *testing.T) {
	t.Parallel()
	proxy := lab.Before(t, Start(t, 1).Members[0].Endpoint)
	client := openAt(t, []string{proxy.Address})
	if _, err := client.Put(t.Context(), "present", []byte("0")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for _, c := range []struct {
		key  string
		opts []kv.PutOption
		want error
	}{{"absent", []kv.PutOption{kv.IfAbsent()}, nil}, {"present", nil, nil}, {"present", []kv.PutOption{kv.IfAbsent()}, kv.ErrConflict}} {
		key := c.key
		lost := proxy.Lost()
		proxy.Deafen()
		answer := make(chan error, 1)
		go func() {
			_, err := client.Put(ctx, key, []byte("v"), c.opts...)
			answer <- err
		}()
		for proxy.Lost() < lost+len(key) {
			select {
			case <-again.C:
			case <-ctx.Done():
				t.Fatal("nothing is sent")
			}
		}
		proxy.Heal()
		if err := <-answer; !errors.Is(err, c.want) || errors.Is(err, kv.ErrUnknown) {
			t.Errorf("%s: %v, want %v", key, err, c.want)
		}
		if v, err := client.Get(ctx, key); err != nil || fmt.Sprintf("%s", v) != "v" {
			t.Errorf("%s: got %s, %v", key, v, err)
		}
	}
}

// TestSlowWriteLivesItsTTL: a lease is granted before the write, and on a slow line that is long before; the value lives
// for its TTL from the write on all the same.
func TestSlowWriteLivesItsTTL(t *testing.T) {
	t.Parallel()
	const ttl, delay = 3 * time.Second, 1500 * time.Millisecond
	cluster := Start(t, 1)
	plain := cluster.plain(t)
	proxy := lab.Before(t, cluster.Members[0].Endpoint)
	c := openAt(t, []string{proxy.Address})
	if _, err := c.Put(t.Context(), "first", []byte("v")); err != nil {
		t.Fatal(err)
	}
	rows := plain.Watch(t.Context(), "k")
	proxy.Slow(delay)
	put := make(chan error, 1)
	go func() {
		_, err := c.Put(t.Context(), "k", []byte("v"), kv.TTL(ttl))
		put <- err
	}()
	<-rows
	written := time.Now()
	if err := <-put; err != nil {
		t.Fatal(err)
	}
	<-rows
	if lived := time.Since(written); lived < ttl {
		t.Errorf("a key with a TTL of %v went after %v", ttl, lived)
	}
}
