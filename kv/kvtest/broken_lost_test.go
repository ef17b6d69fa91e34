package kvtest

import (
	"context"
	"sync"

	"github.com/starlingkv/starling/kv"
)

// lossy is the line of the clients of a lively store.
type lossy struct {
	mu   sync.Mutex // guards what follows
	next *loss      // nil: everything goes through
	last *loss
}

// loss is what becomes of one write.
type loss struct {
	drop   bool          // it does not arrive; else its answer does not
	met    chan struct{} // closed when that has happened
	healed chan struct{} // closed by Heal
}

func (l *lossy) arm(of *loss) <-chan struct{} {
	of.met, of.healed = make(chan struct{}), make(chan struct{})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next, l.last = of, of
	return of.met
}

func (l *lossy) take() *loss {
	l.mu.Lock()
	defer l.mu.Unlock()
	of := l.next
	l.next = nil
	return of
}

func (l *lossy) heal() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.last != nil {
		close(l.last.healed)
	}
	l.next, l.last = nil, nil
}

// over sends a write over the line.
func (l *lively) over(ctx context.Context, write func() error) error {
	of := l.life.line.take()
	if of == nil {
		return write()
	}
	if !of.drop {
		_ = write() // its answer is lost
	}
	close(of.met)
	select {
	case <-of.healed:
		return l.life.quirks.healed(of, write)
	case <-ctx.Done():
		return l.life.quirks.leaves(ctx)
	case <-l.life.over:
		return kv.ErrClosed
	}
}

var brokenLost = []broken{
	{"writes again when the answer was lost", []string{"LostAnswer", "LostAnswerRaced", "LostAnswerDeleted"}, func(b *bent) {
		b.life.quirks.healed = func(_ *loss, write func() error) error { return write() }
	}},
	{"takes a lost answer for a lost race", []string{"LostAnswer", "LostAnswerRaced", "LostAnswerDeleted"}, func(b *bent) {
		b.life.quirks.healed = func(*loss, func() error) error { return kv.ErrConflict }
	}},
	{"says only that the time is over", []string{"LostAnswerCtx"}, func(b *bent) {
		b.life.quirks.leaves = kv.Ended
	}},
	{"never says that it does not know", []string{"LostAnswerCtx"}, func(b *bent) {
		b.life.quirks.leaves = func(context.Context) error { return nil }
	}},
	{"takes what was sent for written", []string{"LostWrite"}, func(b *bent) {
		b.life.quirks.healed = func(*loss, func() error) error { return nil }
	}},
}
