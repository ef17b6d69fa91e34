package mirrorkv_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/memkv"
	"github.com/starlingkv/starling/kv/mirrorkv"
)

// stopped is a store whose next Put begins, and goes on when it is let.
type stopped struct {
	*memkv.Client
	begun chan struct{} // gets one for each Put that waits
	goOn  chan struct{}
	over  atomic.Bool // nobody waits
}

func (s *stopped) Put(ctx context.Context, key string, v any, opts ...kv.PutOption) (string, error) {
	if !s.over.Load() {
		s.begun <- struct{}{}
		<-s.goOn
	}
	return s.Client.Put(ctx, key, v, opts...)
}

// held is a mirror whose primary is in the middle of a write, which ends with release.
func held(t *testing.T) (m *mirrorkv.Client, a, b *memkv.Client, release func()) {
	t.Helper()
	a, b = memkv.New(kv.String), memkv.New(kv.String)
	s := &stopped{Client: a, begun: make(chan struct{}), goOn: make(chan struct{})}
	m, err := mirrorkv.New(kv.String, s, b)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if _, err := m.Put(t.Context(), "slow", "v"); err != nil {
			t.Error(err)
		}
	}()
	<-s.begun
	return m, a, b, func() {
		s.over.Store(true)
		close(s.goOn)
		<-done
	}
}

// TestASwitchThatWaitsHoldsUpNoReader: while a write takes its time, Switch waits as long as its ctx, reads and watches go
// on, and a write that comes waits as long as its own ctx.
func TestASwitchThatWaitsHoldsUpNoReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, a, _, release := held(t)
		if _, err := a.Put(t.Context(), "there", "v"); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var switching sync.WaitGroup
		switching.Go(func() {
			if err := m.Switch(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("a Switch that could not wait any longer returned %v", err)
			}
		})
		synctest.Wait()
		if v, err := m.Get(t.Context(), "there"); v != "v" || err != nil {
			t.Errorf("a read during the switch: %v, %v", v, err)
		}
		for ev, err := range m.Events(t.Context(), "there", kv.OneKey()) {
			if err != nil || ev.Kind == kv.Synced {
				break
			}
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("reads waited %v for the switch", took)
		}
		short, done := context.WithTimeout(t.Context(), time.Second)
		defer done()
		if _, err := m.Put(short, "other", "v"); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("a write during the switch ended after %v: %v", time.Since(began), err)
		}
		switching.Wait()
		if took := time.Since(began); took != time.Minute {
			t.Errorf("the switch gave up after %v, want the minute of its ctx", took)
		}
		release()
		finish(t, m)
	})
}

// finish switches, which must be at once, and shows that writes go on at the other store.
func finish(t *testing.T, m *mirrorkv.Client) {
	t.Helper()
	began := time.Now()
	if err := m.Switch(t.Context()); err != nil || time.Since(began) != 0 {
		t.Errorf("the switch afterwards took %v: %v", time.Since(began), err)
	}
	if _, err := m.Put(t.Context(), "afterwards", "v"); err != nil {
		t.Error(err)
	}
	if n := m.Outcomes(); n.Behind != 0 {
		t.Errorf("outcomes: %+v", n)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
}

// TestASwitchWaitsForTheWriteThatRuns and lets the one that came meanwhile go to the new primary.
func TestASwitchWaitsForTheWriteThatRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _, b, release := held(t)
		var all sync.WaitGroup
		var switched, written atomic.Bool
		all.Go(func() {
			if err := m.Switch(t.Context()); err != nil {
				t.Error(err)
			}
			switched.Store(true)
		})
		synctest.Wait()
		all.Go(func() {
			if _, err := m.Put(t.Context(), "waited", "v"); err != nil {
				t.Error(err)
			}
			written.Store(true)
		})
		synctest.Wait()
		if switched.Load() || written.Load() {
			t.Errorf("while a write runs: switched %v, another written %v", switched.Load(), written.Load())
		}
		release()
		all.Wait()
		for _, key := range []string{"slow", "waited"} {
			if v, err := b.Get(t.Context(), key); v != "v" || err != nil {
				t.Errorf("the new primary has %v under %s: %v", v, key, err)
			}
		}
		finish(t, m)
	})
}

// TestAWriteInsideACAS: f runs outside of everything, so it may write, and may wait for a switch.
func TestAWriteInsideACAS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := memkv.New(kv.String), memkv.New(kv.String)
		m, err := mirrorkv.New(kv.String, a, b)
		if err != nil {
			t.Fatal(err)
		}
		runs := 0
		err = m.CAS(t.Context(), "k", func(any) (any, bool, error) {
			if runs++; runs == 1 {
				if err := m.Switch(t.Context()); err != nil {
					t.Error(err)
				}
			}
			_, err := m.Put(t.Context(), "inside", "v")
			return "v", false, err
		})
		if err != nil {
			t.Errorf("CAS: %v", err)
		}
		wantSame(t, b, a)
		finish(t, m)
	})
}

// TestCloseEndsASwitch that waits for a write.
func TestCloseEndsASwitch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _, _, release := held(t)
		var all sync.WaitGroup
		all.Go(func() {
			if err := m.Switch(t.Context()); !errors.Is(err, kv.ErrClosed) {
				t.Errorf("the Switch of a mirror that was closed returned %v", err)
			}
		})
		synctest.Wait()
		all.Go(func() {
			if _, err := m.Put(t.Context(), "k", "v"); !errors.Is(err, kv.ErrClosed) {
				t.Errorf("a Put that waited returned %v, want ErrClosed", err)
			}
		})
		synctest.Wait()
		if err := m.Close(); err != nil {
			t.Error(err)
		}
		all.Wait()
		release()
	})
}

// tallied is kv.String, and counts how often one text was encoded.
type tallied struct {
	kv.Codec
	text string
	n    *atomic.Int64
}

func (c tallied) Encode(v any) ([]byte, error) {
	if v == c.text {
		c.n.Add(1)
	}
	return c.Codec.Encode(v)
}

// TestAWriteIsEncodedOnce by the mirror and its primary; its copy, which is read there first, once more.
func TestAWriteIsEncodedOnce(t *testing.T) {
	var n atomic.Int64
	codec := tallied{kv.String, "the value", &n}
	a, b := memkv.New(codec), memkv.New(codec)
	m, err := mirrorkv.New(codec, a, b)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	write := func(text string) {
		if err := m.CAS(t.Context(), "k", func(any) (any, bool, error) { return text, false, nil }); err != nil {
			t.Fatal(err)
		}
	}
	write("another")
	write("the value")
	if got := n.Load(); got != 2 {
		t.Errorf("a CAS encoded its value %d times, want once, and once for the copy", got)
	}
	if _, err := m.Put(t.Context(), "k2", "the value"); err != nil || n.Load() != 4 {
		t.Errorf("a Put encoded its value %d times, want once, and once for the copy: %v", n.Load()-2, err)
	}
}
