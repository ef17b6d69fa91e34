package web

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"time"

	"github.com/starlingkv/starling/kv"
)

const (
	// ahead is how many events are read before they are written, so that one flush carries several.
	ahead = 16
	// chunk is what one deadline covers: a large value may take a slow client longer than a stalled one is suffered.
	chunk = 64 << 10
	// retryAfter is what a browser waits before it calls again, in milliseconds.
	retryAfter = 2000
)

// newBoot names one run of a handler. It cannot be guessed, as a feed goes to whoever knows its id.
func newBoot() string { return rand.Text() }

// watch streams what happens to a prefix, or one key: the present state as put events, a sync, then every change. A
// client that comes back with Last-Event-ID goes on where it was, if that is still known here; else it is told reset
// first, because the state is told anew: what it holds and is not told again is gone.
func (h *Handler) watch(w http.ResponseWriter, r *http.Request) error {
	of, events, err := h.selected(r)
	if err != nil {
		return err
	}
	select {
	case h.seats <- struct{}{}:
		defer func() { <-h.seats }()
	default:
		return newProblem(busy, fmt.Sprintf("%d watches run already", h.cfg.MaxWatchers))
	}
	s := &stream{out: w, control: http.NewResponseController(w), form: formOf(r), stall: h.cfg.Stall}
	header := w.Header()
	header.Set("Content-Type", s.form.media())
	header.Set("Cache-Control", "no-store")
	header.Set("Vary", "Accept")
	header.Set("X-Accel-Buffering", "no") // asks proxies not to keep events back
	header.Set("Starling-Consistency", h.consistency())
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil
	}
	f, missed := h.feedFor(r, of, events)
	ctx, stop := context.WithCancel(r.Context())
	defer stop()
	done := h.feeds.use(f, stop)
	err = h.tell(ctx, s, f, missed)
	if errors.Is(err, errOver) {
		f.end()
	} else {
		h.feeds.keep(f)
	}
	done()
	if err != nil && r.Context().Err() == nil {
		h.cfg.Log.Debug("watch ended", "remote", r.RemoteAddr, "err", err)
	}
	return nil
}

// feedFor returns the feed of a client that comes back and what it has missed, or a new feed.
func (h *Handler) feedFor(r *http.Request, of string, events eventsFunc) (*feed, []event) {
	last := r.Header.Get("Last-Event-ID")
	if last != "" {
		if f, seq := h.feeds.resume(r.Context(), last, of); f != nil {
			if missed, ok := f.since(seq); ok {
				return f, missed
			}
			f.end()
		}
	}
	f := begin(r.Context(), h.feeds.newID(), of, events)
	if last == "" {
		return f, nil
	}
	return f, []event{f.number("reset", nil)} // the state follows anew
}

// eventsFunc is what happens to a selection of keys.
type eventsFunc func(context.Context) iter.Seq2[kv.Event, error]

// selected returns the events the request asks for, and a name for what it selects.
func (h *Handler) selected(r *http.Request) (of string, events eventsFunc, err error) {
	query, err := queryOf(r, "prefix", "key")
	if err != nil {
		return "", nil, err
	}
	if err := h.require(r); err != nil {
		return "", nil, err
	}
	if !query.Has("key") {
		return "prefix " + query.Get("prefix"), func(ctx context.Context) iter.Seq2[kv.Event, error] {
			return h.reads.Events(ctx, query.Get("prefix"))
		}, nil
	}
	key := query.Get("key")
	if query.Has("prefix") {
		return "", nil, newProblem(badRequest, "key or prefix, not both")
	}
	if err := kv.CheckKey(key); err != nil {
		return "", nil, err
	}
	return "key " + key, func(ctx context.Context) iter.Seq2[kv.Event, error] {
		return h.reads.Events(ctx, key, kv.OneKey())
	}, nil
}

// told is one event on its way from the store to the stream.
type told struct {
	kv.Event
	err error
}

// errOver is the end of a feed: nobody can go on with it.
var errOver = errors.New("the watch is over")

// tell writes what was missed, then events, until the watch or its client ends. The store waits for a slow client by
// coalescing what that one was not told yet; nothing queues here but the few events read ahead.
func (h *Handler) tell(ctx context.Context, s *stream, f *feed, missed []event) error {
	s.form.open(&s.buf)
	for _, e := range missed {
		s.form.event(&s.buf, e)
	}
	if err := s.flush(); err != nil {
		return err
	}
	alive := time.NewTicker(h.cfg.KeepAlive)
	defer alive.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case t, ok := <-f.events:
			if !ok {
				return errors.Join(errOver, s.flush())
			}
			if t.err != nil && t.Key == "" {
				return errors.Join(errOver, t.err, s.flush())
			}
			name, e := eventOf(t.Event)
			s.form.event(&s.buf, f.number(name, e))
			if len(f.events) > 0 && s.buf.Len() < chunk {
				continue
			}
		case <-alive.C:
			s.form.alive(&s.buf)
		}
		if err := s.flush(); err != nil {
			return err
		}
	}
}

// eventOf is an event as it is told.
func eventOf(ev kv.Event) (name string, e any) {
	switch ev.Kind {
	case kv.Put:
		j := whole(ev.Entry)
		return "put", &j
	case kv.Delete:
		return "delete", &gone{Key: ev.Key, Version: ev.Version}
	case kv.Synced:
		return "sync", nil
	}
	return "reset", nil
}

// gone is the data of a delete event.
type gone struct {
	Key     string `json:"key"`
	Version string `json:"version,omitempty"`
}
