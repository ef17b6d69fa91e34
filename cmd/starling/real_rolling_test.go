package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/starlingkv/starling/kv/httpkv"
)

const (
	rollingSize = 5
	rollingKeys = 2_000
	readers     = 8

	// readyEvery is how often a load balancer looks who is ready.
	readyEvery = 100 * time.Millisecond
)

// TestRealRolling restarts five servers one after the other, under load through a balancer that asks each whether it is
// ready: no read fails, and none finds a key missing.
func TestRealRolling(t *testing.T) {
	f := startFleet(t, "rolling", rollingSize)
	c := f.nodes[0].client(t)
	for i := range rollingKeys {
		if _, err := c.Put(t.Context(), rollingKey(i), []byte("0")); err != nil {
			t.Fatal(err)
		}
	}
	f.holdSame(t, 30*time.Second)
	b := balance(t, f)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var running sync.WaitGroup
	var reads, writes, refused atomic.Int64
	failed := make(chan error, 1)
	for range readers {
		running.Go(func() {
			for ctx.Err() == nil {
				if err := b.read(ctx); err != nil && ctx.Err() == nil {
					select {
					case failed <- err:
					default: // one is enough
					}
				}
				reads.Add(1)
			}
		})
	}
	running.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			if _, err := b.pick().Put(ctx, rollingKey(n), []byte(fmt.Sprint(n))); err != nil {
				refused.Add(1) // a write may meet a server that ends
			}
			writes.Add(1)
		}
	})
	for i := range f.nodes {
		began := time.Now()
		f.nodes[i].leave(t)
		left := time.Since(began)
		b.await(t, f.again(t, i).HTTP)
		t.Logf("%s left in %v, is ready again after %v", f.nodes[i].Node, left, time.Since(began))
		select {
		case err := <-failed:
			t.Fatalf("while %s was restarted: %v", f.nodes[i].Node, err)
		default:
		}
	}
	stop()
	running.Wait()
	t.Logf("%d reads, none failed; %d writes, %d failed", reads.Load(), writes.Load(), refused.Load())
	if reads.Load() < 1000 || writes.Load() < 100 {
		t.Error("that is no load")
	}
	if keys := f.holdSame(t, 30*time.Second); keys != rollingKeys {
		t.Errorf("they hold %d keys, want %d", keys, rollingKeys)
	}
}

func rollingKey(i int) string { return fmt.Sprintf("rolling/%d", i%rollingKeys) }

// balancer hands requests to the servers that were ready when it last asked.
type balancer struct {
	clients map[string]*httpkv.Client // by address; it never changes

	mu    sync.Mutex // guards what follows
	ready []*httpkv.Client
	news  chan struct{} // closed and made anew whenever it has asked
	is    map[string]bool
}

func balance(t *testing.T, f *fleet) *balancer {
	t.Helper()
	b := &balancer{clients: map[string]*httpkv.Client{}, news: make(chan struct{})}
	for _, p := range f.nodes {
		b.clients[p.HTTP] = p.client(t)
	}
	b.ask(t.Context())
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	go func() {
		defer close(ended)
		look := time.NewTicker(readyEvery)
		defer look.Stop()
		for ctx.Err() == nil {
			b.ask(ctx)
			<-look.C
		}
	}()
	return b
}

// ask asks every server.
func (b *balancer) ask(ctx context.Context) {
	is := map[string]bool{}
	var ready []*httpkv.Client
	for at, c := range b.clients {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, at+"/readyz", nil)
		if err != nil {
			panic(err)
		}
		answer, err := http.DefaultClient.Do(req)
		if err != nil {
			continue
		}
		answer.Body.Close()
		if answer.StatusCode == http.StatusOK {
			is[at] = true
			ready = append(ready, c)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ready, b.is = ready, is
	close(b.news)
	b.news = make(chan struct{})
}

// await waits until a server is ready.
func (b *balancer) await(t *testing.T, at string) {
	t.Helper()
	overdue := time.After(30 * time.Second)
	for {
		b.mu.Lock()
		is, news := b.is[at], b.news
		b.mu.Unlock()
		if is {
			return
		}
		select {
		case <-news:
		case <-overdue:
			t.Fatalf("%s is not ready again", at)
		}
	}
}

// pick returns one of those that are ready.
func (b *balancer) pick() *httpkv.Client {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ready[rand.IntN(len(b.ready))]
}

// read reads a key that is there.
func (b *balancer) read(ctx context.Context) error {
	v, err := b.pick().Get(ctx, rollingKey(rand.IntN(rollingKeys)))
	if err == nil && v == nil {
		return errors.New("a key that is there was not found")
	}
	return err
}
