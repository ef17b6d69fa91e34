package web_test

import (
	"context"
	"testing"
	"time"

	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/memkv"
	"github.com/starlingkv/starling/web"
)

// early is a store that starts: its writes wait until it has started.
type early struct {
	*memkv.Client
	asked   chan<- struct{} // has one element once a write waits
	started <-chan struct{}
}

func (e early) wait(ctx context.Context) error {
	select {
	case e.asked <- struct{}{}:
	default:
	}
	select {
	case <-e.started:
		return nil
	case <-ctx.Done():
		return kv.Wrap("wait", "", kv.ErrNotReady)
	}
}

// Put waits.
func (e early) Put(ctx context.Context, key string, v any, opts ...kv.PutOption) (string, error) {
	if err := e.wait(ctx); err != nil {
		return "", err
	}
	return e.Client.Put(ctx, key, v, opts...)
}

// Remove waits.
func (e early) Remove(ctx context.Context, key string, opts ...kv.RemoveOption) error {
	if err := e.wait(ctx); err != nil {
		return err
	}
	return e.Client.Remove(ctx, key, opts...)
}

// TestWritesWaitForTheStart writes on a node that starts a key that comes with the first reconciliation: what is not here
// yet is not absent.
func TestWritesWaitForTheStart(t *testing.T) {
	for _, c := range []struct {
		method string
		want   any
	}{{"DELETE", nil}, {"PUT", "new"}} {
		asked, started := make(chan struct{}, 1), make(chan struct{})
		mem, base := serve(t, func(cfg *web.Config) {
			open := cfg.Client
			cfg.Client = func(c kv.Codec) kv.Client { return early{open(c).(*memkv.Client), asked, started} }
			cfg.Node = lone{starting: true}
			cfg.WriteWait = 20 * time.Second
		})
		answered := make(chan answer, 1)
		go func() { answered <- call(t, c.method, base, "/v1/kv/k", "new") }()
		select {
		case <-asked:
		case a := <-answered:
			t.Errorf("%s did not wait: %s %s", c.method, a.Status, a.body)
			continue
		}
		if _, err := mem.Put(t.Context(), "k", []byte("old")); err != nil {
			t.Fatal(err)
		}
		close(started)
		if a := <-answered; a.StatusCode != 200 {
			t.Errorf("%s: %s %s, want 200, as the key was there", c.method, a.Status, a.body)
		}
		v, err := mem.Get(t.Context(), "k")
		if b, _ := v.([]byte); err != nil || (c.want == nil) != (v == nil) || c.want != nil && string(b) != c.want {
			t.Errorf("after %s the key holds %s, %v; want %v", c.method, b, err, c.want)
		}
	}
}

func TestWritesDoNotWaitForEver(t *testing.T) {
	_, base := serve(t, func(cfg *web.Config) {
		open := cfg.Client
		cfg.Client = func(c kv.Codec) kv.Client { return early{open(c).(*memkv.Client), nil, nil} }
		cfg.Node = lone{starting: true}
		cfg.WriteWait = 20 * time.Millisecond
	})
	for _, method := range []string{"DELETE", "PUT"} {
		call(t, method, base, "/v1/kv/k", "v").problem(t, 503, "not-ready")
	}
}
