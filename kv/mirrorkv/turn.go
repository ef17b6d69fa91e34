package mirrorkv

import (
	"context"
	"errors"
	"sync"

	"github.com/starlingkv/starling/kv"
)

// era is a time in which one store is the primary.
type era struct {
	pair
	over context.Context // ends with errSwitched, or with kv.ErrClosed
	end  context.CancelCauseFunc
}

// errSwitched ends an era, and the watches in it.
var errSwitched = errors.New("the primary was switched")

func (e *era) closed() bool { return errors.Is(context.Cause(e.over), kv.ErrClosed) }

// turn says which era it is, and who writes in it. A write goes to the primary and then to the secondary of one era: it
// enters and leaves. Who switches holds the writes up that come, and waits for those that are inside. Reads do neither,
// and nothing is held here while a store is asked.
type turn struct {
	mu     sync.Mutex // guards the rest, for moments
	now    *era
	inside int           // writes
	held   chan struct{} // closed when writes may enter again; nil: they may
	idle   chan struct{} // closed when the last write has left; nil: nobody waits for that
}

// present is the era that it is.
func (t *turn) present() *era {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.now
}

// enter lets a write into the present era, which is not switched before it leaves.
func (t *turn) enter(ctx context.Context) (*era, error) {
	for {
		t.mu.Lock()
		now, held := t.now, t.held
		if held == nil {
			t.inside++
		}
		t.mu.Unlock()
		if held == nil {
			return now, nil
		}
		if err := wait(ctx, now, held); err != nil {
			return nil, err
		}
	}
}

func (t *turn) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.inside--; t.inside == 0 && t.idle != nil {
		close(t.idle)
		t.idle = nil
	}
}

// hold keeps further writes out and returns when none is inside, or with an error and nothing held. One at a time holds.
func (t *turn) hold(ctx context.Context) error {
	for {
		t.mu.Lock()
		now, held := t.now, t.held
		var idle chan struct{}
		if held == nil {
			t.held = make(chan struct{})
			if t.inside > 0 {
				t.idle = make(chan struct{})
				idle = t.idle
			}
		}
		t.mu.Unlock()
		if held != nil { // somebody else switches
			if err := wait(ctx, now, held); err != nil {
				return err
			}
			continue
		}
		if idle == nil {
			return nil
		}
		err := wait(ctx, now, idle)
		if err != nil {
			t.release()
		}
		return err
	}
}

// release lets writes enter again.
func (t *turn) release() {
	t.mu.Lock()
	defer t.mu.Unlock()
	close(t.held)
	t.held, t.idle = nil, nil
}

// begin begins the next era. Caller holds the writes.
func (t *turn) begin(next *era) {
	t.mu.Lock()
	last := t.now
	t.now = next
	t.mu.Unlock()
	last.end(errSwitched)
}

// wait waits for what is closed, at most as long as ctx and the mirror live.
func wait(ctx context.Context, now *era, closed <-chan struct{}) error {
	select {
	case <-closed:
		return nil
	case <-ctx.Done():
		return kv.Ended(ctx)
	case <-now.over.Done(): // by a Close, or a switch that is about to let go
		if now.closed() {
			return kv.ErrClosed
		}
		return nil
	}
}
