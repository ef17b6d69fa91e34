package kvtest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/starlingkv/starling/kv"
)

var lostChecks = []check{
	{name: "LostAnswer", sentence: "A write whose answer is lost is done once: it succeeds later, or it is ErrUnknown.", needs: hookLine, run: lostAnswer},
	{name: "LostAnswerRaced", sentence: "A write whose answer is lost, and that another wrote over, is not done again; it is never ErrConflict, and CAS does not call f again.", needs: hookLine, run: lostAnswerRaced},
	{name: "LostAnswerDeleted", sentence: "A key that was created, by a write whose answer is lost, and that another deleted, is not created again.", needs: hookLine | hookHistory, run: lostAnswerDeleted},
	{name: "LostAnswerCtx", sentence: "When ctx ends before it is known whether a write happened, it is ErrUnknown too.", needs: hookLine, run: lostAnswerCtx},
	{name: "LostWrite", sentence: "A write that never arrived is no success: it is done later, or it is ErrUnknown.", needs: hookLine, run: lostWrite},
}

// Line is the connection between a client and its store, which can lose what is said on it. One that is healed ends every
// connection that lost something.
type Line struct {
	// Lose loses the answer to the next write and every later one, until Heal, and closes the channel when that write is on
	// its way to the store.
	Lose func() (sent <-chan struct{})

	// Drop loses the next write itself and every later request, until Heal, and closes the channel then.
	Drop func() (gone <-chan struct{})

	// Heal ends what Lose or Drop began.
	Heal func()

	// Beside returns a client of the same store on another line.
	Beside func(codec kv.Codec) kv.Client

	// Forgets is why the store cannot tell that a key was created which another deleted since; empty: it can.
	Forgets string
}

// lost is a write of which something gets lost.
type lost struct {
	name  string
	over  string // what is there before; empty: nothing
	write func(ctx context.Context, e *env, key, version string) error
}

// lostText is what every such write leaves.
const lostText = "mine"

// lostWrites are the writes that say what they expect.
var lostWrites = []lost{
	{"Put of a version", "old", func(ctx context.Context, e *env, key, version string) error {
		_, err := e.versioned().Put(ctx, key, &doc{Text: lostText}, kv.IfVersion(version))
		return err
	}},
	{"Put of an absent key", "", func(ctx context.Context, e *env, key, _ string) error {
		_, err := e.versioned().Put(ctx, key, &doc{Text: lostText}, kv.IfAbsent())
		return err
	}},
	{"CAS", "old", func(ctx context.Context, e *env, key, _ string) error { return e.casOnce(ctx, key) }},
	{"CAS of an absent key", "", func(ctx context.Context, e *env, key, _ string) error { return e.casOnce(ctx, key) }},
}

// casOnce is a CAS that is to happen once, and whose f so is called once.
func (e *env) casOnce(ctx context.Context, key string) error {
	calls := 0
	return e.c.CAS(ctx, key, func(in any) (any, bool, error) {
		if calls++; calls > 1 {
			e.Errorf("CAS(%q) called f again, with %v", key, in)
		}
		return &doc{Text: lostText}, true, nil
	})
}

// losing is one write under way of which something was lost.
type losing struct {
	*env
	name   string
	key    string
	beside kv.Client
	watch  *watch // of the key, on the other line
	answer chan error
}

// lose begins each write in turn, on a key of its own, under a ctx of its own, and lets then go on when something was
// lost. The line is healed in any case.
func (e *env) lose(what func() <-chan struct{}, under func() (context.Context, context.CancelFunc), then func(l *losing)) {
	e.Helper()
	defer e.store.Line.Heal()
	beside := e.store.Line.Beside(docs)
	for i, w := range lostWrites {
		l := &losing{env: e, name: w.name, key: fmt.Sprint("k", i), beside: beside, answer: make(chan error, 1)}
		version := ""
		if w.over != "" {
			e.put(l.key, w.over)
			version = e.entry(l.key).Version
		}
		l.watch = e.watchBy(beside, onOneKey(l.key))
		l.watch.awaitAny("the state before", isKind(kv.Synced))
		ctx, cancel := under()
		gone := what()
		go func() { l.answer <- w.write(ctx, e, l.key, version) }()
		e.soon(gone, w.name+" is sent")
		then(l)
		cancel()
		l.watch.stop()
	}
}

// patiently is the ctx of the check.
func (e *env) patiently() (context.Context, context.CancelFunc) { return context.WithCancel(e.ctx()) }

// done waits for what the writer is told, which must be nothing or ErrUnknown.
func (l *losing) done() error {
	l.Helper()
	limit := time.NewTimer(l.suite.Within)
	defer limit.Stop()
	select {
	case err := <-l.answer:
		if err != nil && !errors.Is(err, kv.ErrUnknown) || errors.Is(err, kv.ErrConflict) {
			l.Fatalf("%s = %v, want nil or ErrUnknown", l.name, err)
		}
		return err
	case <-limit.C:
		l.Fatalf("%s is not over %v after the line was healed", l.name, l.suite.Within)
		return nil
	}
}

// wrote fails the check if the value was written more than once: what was told of the key up to a last write on the other
// line.
func (l *losing) wrote(most int) {
	l.Helper()
	l.settle()
	l.putBy(l.beside, l.key, "barrier")
	n := 0
	for _, told := range l.watch.awaitAny("the barrier", is(l.key, "barrier")) {
		if is(l.key, lostText)(told) {
			n++
		}
	}
	if n > most {
		l.Fatalf("%s was done %d times, want at most %d", l.name, n, most)
	}
}

func lostAnswer(e *env) {
	e.lose(e.store.Line.Lose, e.patiently, func(l *losing) {
		l.watch.awaitAny("the write", is(l.key, lostText))
		e.store.Line.Heal()
		_ = l.done()
		if d := e.getBy(l.beside, l.key); d == nil || d.Text != lostText {
			e.Fatalf("after %s the key holds %v, want what was written", l.name, d)
		}
		l.wrote(1)
	})
}

func lostAnswerRaced(e *env) {
	e.lose(e.store.Line.Lose, e.patiently, func(l *losing) {
		l.watch.awaitAny("the write", is(l.key, lostText))
		e.putBy(l.beside, l.key, "of another")
		e.store.Line.Heal()
		_ = l.done()
		if d := e.getBy(l.beside, l.key); d == nil || d.Text != "of another" {
			e.Fatalf("after %s the key holds %v, want what another wrote over it", l.name, d)
		}
		l.wrote(1)
	})
}

func lostAnswerDeleted(e *env) {
	e.lose(e.store.Line.Lose, e.patiently, func(l *losing) {
		l.watch.awaitAny("the write", is(l.key, lostText))
		if err := l.beside.Delete(e.ctx(), l.key); err != nil {
			e.Fatalf("Delete: %v", err)
		}
		e.store.Line.Heal()
		_ = l.done()
		if d := e.getBy(l.beside, l.key); d != nil {
			e.Fatalf("after %s the key that another deleted holds %v", l.name, d)
		}
		l.wrote(1)
	})
}

func lostAnswerCtx(e *env) {
	cause := errors.New("the caller left")
	var leave context.CancelCauseFunc
	under := func() (context.Context, context.CancelFunc) {
		var ctx context.Context
		ctx, leave = context.WithCancelCause(e.ctx())
		return ctx, func() { leave(nil) }
	}
	e.lose(e.store.Line.Lose, under, func(l *losing) {
		l.watch.awaitAny("the write", is(l.key, lostText))
		leave(cause)
		if err := l.done(); !errors.Is(err, kv.ErrUnknown) || !errors.Is(err, cause) {
			e.Fatalf("%s whose ctx ended = %v, want ErrUnknown and the cause of ctx", l.name, err)
		}
		e.store.Line.Heal()
	})
}

func lostWrite(e *env) {
	e.lose(e.store.Line.Drop, e.patiently, func(l *losing) {
		e.store.Line.Heal()
		err := l.done()
		if d := e.getBy(l.beside, l.key); err == nil && (d == nil || d.Text != lostText) {
			e.Fatalf("%s succeeded and the key holds %v", l.name, d)
		}
		l.wrote(1)
	})
}
