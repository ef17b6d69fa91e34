package kv_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/starlingkv/starling/kv"
)

// oneKey is the smallest backend: a single entry, and a script of events. It is what these tests break in turn.
type oneKey struct {
	entry  kv.Entry
	writes int
	races  int // so many stores from now on lose
	can    kv.Capabilities
	feed   []kv.Event
	fails  error
}

func (o *oneKey) Capabilities() kv.Capabilities { return o.can }

func (o *oneKey) Load(context.Context, string) (kv.Entry, error) { return o.entry, o.fails }

func (o *oneKey) Scan(_ context.Context, _ kv.Selection) iter.Seq2[kv.Entry, error] {
	return func(yield func(kv.Entry, error) bool) {
		if o.entry.Version != "" && !yield(o.entry, nil) {
			return
		}
		if o.fails != nil {
			yield(kv.Entry{}, o.fails)
		}
	}
}

func (o *oneKey) Store(_ context.Context, e kv.Entry, w kv.Write) (string, error) {
	if o.races > 0 {
		o.races--
		return "", kv.ErrConflict
	}
	if !w.Admits(o.entry.Version) {
		return "", kv.ErrConflict
	}
	o.writes++
	o.entry = e
	o.entry.Version = strconv.Itoa(o.writes)
	return o.entry.Version, nil
}

func (o *oneKey) Drop(context.Context, string, kv.Write) error {
	o.entry = kv.Entry{}
	return o.fails
}

func (o *oneKey) Feed(ctx context.Context, _ kv.Selection) iter.Seq2[kv.Event, error] {
	return func(yield func(kv.Event, error) bool) {
		for _, ev := range o.feed {
			if !yield(ev, nil) {
				return
			}
		}
		yield(kv.Event{}, o.fails)
	}
}

func newOneKey() *oneKey {
	return &oneKey{can: kv.Capabilities{MaxValue: 64}, fails: nil}
}

func TestBaseWrapsEveryErrorOnce(t *testing.T) {
	fails := errors.New("the disk is gone")
	c := kv.NewBase(&oneKey{fails: fails, can: kv.Capabilities{MaxValue: 64}}, kv.String, nil)
	ctx := t.Context()
	for op, call := range map[string]func() error{
		"list":   func() error { _, err := c.List(ctx, "k"); return err },
		"get":    func() error { _, err := c.Get(ctx, "k"); return err },
		"delete": func() error { return c.Delete(ctx, "k") },
		"cas":    func() error { return c.CAS(ctx, "k", to("v")) },
		"entry":  func() error { _, _, err := c.Entry(ctx, "k"); return err },
		"remove": func() error { return c.Remove(ctx, "k") },
		"entries": func() error {
			for _, err := range c.Entries(ctx, "k", "") {
				return err
			}
			return nil
		},
		"watch": func() error {
			for _, err := range c.Events(ctx, "k") {
				return err
			}
			return nil
		},
	} {
		err := call()
		e, ok := err.(*kv.Error)
		if !ok || e.Op != op || e.Key != "k" || e.Err != fails {
			t.Errorf("%s: got %#v, want one *kv.Error around the cause", op, err)
		}
	}
}

func TestBaseRefusesBeforeItAsksTheStore(t *testing.T) {
	o := newOneKey()
	c := kv.NewBase(o, kv.String, nil)
	ended, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("cause")
	cancel(cause)
	put := func(ctx context.Context, key string, v any) error { _, err := c.Put(ctx, key, v); return err }
	for name, tt := range map[string]struct{ err, want error }{
		"bad key":      {put(t.Context(), "\n", "v"), kv.ErrBadKey},
		"other type":   {put(t.Context(), "k", 1), kv.ErrType},
		"nil":          {put(t.Context(), "k", nil), kv.ErrType},
		"too large":    {put(t.Context(), "k", string(make([]byte, 65))), kv.ErrTooLarge},
		"no TTL":       {put(kv.WithTTL(t.Context(), 1), "k", "v"), kv.ErrUnsupported},
		"cas bad key":  {c.CAS(t.Context(), "", to("v")), kv.ErrBadKey},
		"cas no TTL":   {c.CAS(kv.WithTTL(t.Context(), 1), "k", to("v")), kv.ErrUnsupported},
		"cas type":     {c.CAS(t.Context(), "k", to(1)), kv.ErrType},
		"ended":        {put(ended, "k", "v"), cause},
		"ended cas":    {c.CAS(ended, "k", to("v")), cause},
		"ended delete": {c.Delete(ended, "k"), cause},
	} {
		if !errors.Is(tt.err, tt.want) {
			t.Errorf("%s: got %v, want %v", name, tt.err, tt.want)
		}
	}
	if o.writes != 0 {
		t.Errorf("%d writes reached the store", o.writes)
	}
	if err := put(t.Context(), "k", string(make([]byte, 64))); err != nil {
		t.Errorf("a value of exactly MaxValue: %v", err)
	}
}

func TestBaseCASWritesOnlyWhatDiffers(t *testing.T) {
	o := newOneKey()
	o.can.TTL = true
	c := kv.NewBase(o, kv.String, nil)
	ctx := t.Context()
	for _, step := range []struct {
		name   string
		ctx    context.Context
		f      func(any) (any, bool, error)
		writes int
	}{
		{"create", ctx, to("a"), 1},
		{"equal", ctx, to("a"), 1},
		{"nil", ctx, to(nil), 1},
		{"equal with a TTL", kv.WithTTL(ctx, 1), to("a"), 2},
		{"equal with a TTL taken away", kv.WithTTL(kv.WithTTL(ctx, 1), 0), to("a"), 2},
		{"other", ctx, to("b"), 3},
		{"empty", ctx, to(""), 4},
		{"empty again", ctx, to(""), 4},
	} {
		if err := c.CAS(step.ctx, "k", step.f); err != nil || o.writes != step.writes {
			t.Errorf("%s: %d writes, %v, want %d", step.name, o.writes, err, step.writes)
		}
	}
	o.entry = kv.Entry{}
	if err := c.CAS(ctx, "k", to("")); err != nil || o.writes != 5 {
		t.Errorf("an empty value where none is: %d writes, %v, want 5", o.writes, err)
	}
	if got, want := c.Stats().CAS, (kv.CASStats{Attempts: 9, Successes: 5}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestBaseKeepsRawBytesReadable(t *testing.T) {
	o := newOneKey()
	c := kv.NewBase(o, kv.JSON[int]("int"), nil)
	for _, tt := range []struct {
		codec, body string
		want        error
	}{{"int", "no number", kv.ErrDecode}, {"int", "null", kv.ErrDecode}, {"string", "1", kv.ErrType}} {
		o.entry = kv.Entry{Key: "k", Value: kv.Raw(tt.body), Version: "1", Codec: tt.codec}
		if v, err := c.Get(t.Context(), "k"); v != nil || !errors.Is(err, tt.want) {
			t.Errorf("%s %q: Get got %v, %v, want nil, %v", tt.codec, tt.body, v, err, tt.want)
		}
		called := false
		err := c.CAS(t.Context(), "k", func(any) (any, bool, error) { called = true; return 1, false, nil })
		if called || !errors.Is(err, tt.want) {
			t.Errorf("%s %q: CAS got %v, called %v, want %v", tt.codec, tt.body, err, called, tt.want)
		}
		e, ok, err := c.Entry(t.Context(), "k")
		if raw, _ := e.Value.(kv.Raw); !ok || !errors.Is(err, tt.want) || string(raw) != tt.body {
			t.Errorf("%s %q: Entry got %+v, %v, %v, want the raw bytes and %v", tt.codec, tt.body, e, ok, err, tt.want)
		}
		var keys []string
		for e, err := range c.Entries(t.Context(), "", "") {
			if !errors.Is(err, tt.want) {
				t.Errorf("Entries got %v, want %v", err, tt.want)
			}
			keys = append(keys, e.Key)
		}
		if !slices.Equal(keys, []string{"k"}) {
			t.Errorf("Entries got %q, want k", keys)
		}
	}
}

func to(v any) func(any) (any, bool, error) {
	return func(any) (any, bool, error) { return v, false, nil }
}

// mute is a backend that does not answer before ctx ends.
type mute struct{ oneKey }

func (m *mute) Load(ctx context.Context, _ string) (kv.Entry, error) {
	<-ctx.Done()
	return kv.Entry{}, kv.Ended(ctx)
}

func TestLastUpdateTimeEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		if at := kv.NewBase(&mute{}, kv.String, nil).LastUpdateTime("k"); !at.IsZero() {
			t.Errorf("the time of a store that does not answer is %v", at)
		}
		if took := time.Since(began); took != 5*time.Second {
			t.Errorf("LastUpdateTime of a store that does not answer took %v, want 5 s", took)
		}
	})
}
