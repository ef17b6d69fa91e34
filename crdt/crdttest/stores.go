package crdttest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/starlingkv/starling/crdt"
	"github.com/starlingkv/starling/kv"
)

const (
	writersOf = 4                // of one key, at the same time
	roundsOf  = 5                // of each
	soon      = 20 * time.Second // what a store takes at most for what it does at once
	lease     = 10 * time.Minute
)

// Opener opens a client of a kind on the store that is tested: a node does so by
// Client(kind), a store that knows nothing of cells by With(kind.Codec()). All
// see the same keys. The test that it is given is that of the client's life.
type Opener func(t testing.TB, kind crdt.Kind) kv.Client

// Usable holds a store to what every kind promises of it, by the six methods:
// what several writers do to one value at the same time all counts, whoever
// watches sees what it comes to, a key of one kind is none of another, a write
// may have a time to live, and after a delete nothing of the old value comes
// back.
func Usable(t *testing.T, open Opener) {
	for _, u := range uses() {
		t.Run(u.kind.ID(), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 2*soon)
			defer cancel()
			s := &session{t: t, ctx: ctx, use: u, open: open, key: "kinds/" + u.kind.ID()}
			s.one, s.two = open(t, u.kind), open(t, u.kind)
			s.begins()
			s.writtenTogether()
			s.isOfItsKind()
			s.expires()
			s.ends()
		})
	}
}

// session is the test of one kind.
type session struct {
	t        *testing.T
	ctx      context.Context
	use      use
	open     Opener
	key      string
	one, two kv.Client
}

// begins: there is nothing, and to leave it so is no write.
func (s *session) begins() {
	if v, err := s.one.Get(s.ctx, s.key); v != nil || err != nil {
		s.t.Fatalf("before it is written: Get = %v, %v", v, err)
	}
	err := s.one.CAS(s.ctx, s.key, func(in any) (any, bool, error) { return nil, false, nil })
	if keys, failed := s.two.List(s.ctx, s.key); err != nil || failed != nil || len(keys) != 0 {
		s.t.Fatalf("a CAS that leaves it: %v; then there is %q, %v", err, keys, failed)
	}
}

// writtenTogether: writers on two clients write at the same time, and each
// write counts.
func (s *session) writtenTogether() {
	byKey := s.watch(func(ctx context.Context, f func(any) bool) { s.two.WatchKey(ctx, s.key, f) })
	byPrefix := s.watch(func(ctx context.Context, f func(any) bool) {
		s.one.WatchPrefix(ctx, s.key, func(_ string, v any) bool { return f(v) })
	})
	var wg sync.WaitGroup
	for w := range writersOf {
		c := []kv.Client{s.one, s.two}[w%2]
		wg.Go(func() {
			for r := range roundsOf {
				s.write(s.ctx, c, w, r)
			}
		})
	}
	wg.Wait()
	for _, c := range []kv.Client{s.one, s.two} {
		v, err := c.Get(s.ctx, s.key)
		if got := s.encoded(v); err != nil || got != s.use.want {
			s.t.Errorf("all wrote, and Get = %s, %v; want %s", got, err, s.use.want)
		}
	}
	byKey(s.use.want)
	byPrefix(s.use.want)
	versions, has := kv.As[kv.Versioned](s.one)
	if !has {
		return
	}
	for e, err := range versions.Entries(s.ctx, s.key, "") {
		if got := s.encoded(e.Value); err != nil || got != s.use.want {
			s.t.Errorf("listed as %s, %v; want %s", got, err, s.use.want)
		}
	}
}

// write is one round of a writer. Who loses all his tries against the others
// begins again, as the contract has it.
func (s *session) write(ctx context.Context, c kv.Client, w, r int) {
	err := kv.ErrConflict
	for errors.Is(err, kv.ErrConflict) {
		err = c.CAS(ctx, s.key, func(in any) (any, bool, error) { return s.use.write(in, w, r), true, nil })
	}
	if err != nil {
		s.t.Errorf("writer %d, round %d: %v", w, r, err)
	}
}

// watch follows the key to the end of the test. What it returns waits for a
// value.
func (s *session) watch(follow func(ctx context.Context, f func(any) bool)) (until func(want string)) {
	ctx, cancel := context.WithTimeout(s.ctx, soon)
	s.t.Cleanup(cancel)
	told := make(chan string, 1)
	go func() {
		defer close(told)
		follow(ctx, func(v any) bool {
			select {
			case <-told: // nobody has looked at the one before
			default:
			}
			told <- s.encoded(v)
			return ctx.Err() == nil
		})
	}()
	return func(want string) {
		s.t.Helper()
		last := "nothing"
		for got := range told {
			if last = got; last == want {
				return
			}
		}
		s.t.Errorf("a watch was told %s last, want %s", last, want)
	}
}

// isOfItsKind: what is no value of the kind is refused, and the key of another
// kind too.
func (s *session) isOfItsKind() {
	err := s.one.CAS(s.ctx, s.key, func(any) (any, bool, error) { return struct{}{}, false, nil })
	if !errors.Is(err, kv.ErrType) {
		s.t.Errorf("a CAS to what is no value of the kind: %v, want ErrType", err)
	}
	other := s.open(s.t, crdt.MapOf[int](kv.JSON[int]("other")))
	_, err = other.Get(s.ctx, s.key)
	set := other.CAS(s.ctx, s.key, func(any) (any, bool, error) { return &crdt.Map[int]{}, false, nil })
	if !errors.Is(err, kv.ErrType) || !errors.Is(set, kv.ErrType) {
		s.t.Errorf("a client of another kind: Get %v, CAS %v, want ErrType", err, set)
	}
}

// expires: a write with a time to live has one.
func (s *session) expires() {
	can, ok := kv.As[kv.Capable](s.one)
	versions, has := kv.As[kv.Versioned](s.one)
	if !ok || !has || !can.Capabilities().TTL {
		return
	}
	began := time.Now().Add(-time.Second) // stores round
	s.write(kv.WithTTL(s.ctx, lease), s.one, 0, roundsOf-1)
	e, found, err := versions.Entry(s.ctx, s.key)
	if err != nil || !found || e.Expires.Before(began.Add(lease)) || time.Until(e.Expires) > lease+soon {
		s.t.Errorf("written to live for %v, it ends at %v, %v, %v", lease, e.Expires, found, err)
	}
}

// ends: a delete takes all away, and what begins anew has nothing of it.
func (s *session) ends() {
	told := s.watch(func(ctx context.Context, f func(any) bool) { s.two.WatchKey(ctx, s.key, f) })
	last, err := s.one.Get(s.ctx, s.key)
	if err != nil {
		s.t.Fatal(err)
	}
	told(s.encoded(last))
	if err := s.one.Delete(s.ctx, s.key); err != nil {
		s.t.Fatal(err)
	}
	told(s.encoded(nil))
	if v, err := s.two.Get(s.ctx, s.key); v != nil || err != nil {
		s.t.Errorf("after a delete: Get = %v, %v", v, err)
	}
	s.write(s.ctx, s.one, 1, 0)
	v, err := s.one.Get(s.ctx, s.key)
	if want := s.encoded(s.use.write(nil, 1, 0)); err != nil || s.encoded(v) != want {
		s.t.Errorf("after a delete and one write: Get = %s, %v, want %s", s.encoded(v), err, want)
	}
}

// encoded is a value as the codec of the kind writes it.
func (s *session) encoded(v any) string {
	if v == nil {
		return "nothing at all"
	}
	b, err := kv.EncodeWith(s.use.kind.Codec(), v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}
