package web

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"time"

	"github.com/starlingkv/starling/internal/memo"
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
	of, err := h.selected(r)
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
	f, missed := h.feedFor(r, of)
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
func (h *Handler) feedFor(r *http.Request, of watched) (*feed, []event) {
	last := r.Header.Get("Last-Event-ID")
	if last != "" {
		if f, seq := h.feeds.resume(r.Context(), last, of); f != nil {
			if missed, ok := f.since(seq); ok {
				return f, missed
			}
			f.end()
		}
	}
	f := begin(r.Context(), h.feeds.newID(), of)
	if last == "" {
		return f, nil
	}
	return f, []event{f.number("reset", nil)} // the state follows anew
}

// watched is what a watch tells.
type watched struct {
	name   string // of the selection: the same for who asks for the same
	field  string // the values are of, if it is one
	events func(context.Context) iter.Seq2[kv.Event, error]
}

// selected is what the request asks for.
func (h *Handler) selected(r *http.Request) (watched, error) {
	query, err := queryOf(r, "prefix", "key", "values", "field")
	if err != nil {
		return watched{}, err
	}
	if err := h.require(r); err != nil {
		return watched{}, err
	}
	values, err := valuesOf(query)
	if err != nil {
		return watched{}, err
	}
	var opts []kv.EventsOption
	what := "prefix"
	if query.Has("key") {
		what, opts = "key", append(opts, kv.OneKey())
		err = kv.CheckKey(query.Get("key"))
	}
	if values == unwanted {
		opts = append(opts, kv.NoValues())
	}
	at := query.Get(what)
	of := watched{
		name:   fmt.Sprintf("%s %d %s", what, values, at),
		events: func(ctx context.Context) iter.Seq2[kv.Event, error] { return h.reads.Events(ctx, at, opts...) },
	}
	switch {
	case what == "key" && query.Has("prefix"):
		return of, newProblem(badRequest, "key or prefix, not both")
	case err != nil:
		return of, err
	case query.Has("field"):
		return h.selectedField(r.Context(), query)
	}
	return of, nil
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
			name, data := h.eventOf(t.Event, f.of)
			s.form.event(&s.buf, f.number(name, data))
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
func (h *Handler) eventOf(ev kv.Event, of watched) (name string, data []byte) {
	switch ev.Kind {
	case kv.Put:
		return "put", h.told(ev.Entry, of)
	case kv.Delete:
		return "delete", jsonOf(gone{Key: ev.Key, Field: of.field, Version: ev.Version})
	case kv.Synced:
		return "sync", nil
	}
	return "reset", nil
}

// told is an entry in JSON. All who watch a large value are told the same bytes: who comes first makes them.
func (h *Handler) told(e kv.Entry, of watched) []byte {
	if of.field != "" {
		return jsonOf(shownField(e, of.field))
	}
	if e.Version == "" || len(bytesIn(e)) < memo.Least {
		return jsonOf(shown(e))
	}
	return h.shown.Get(e.Key+"\x00"+e.Version, func() []byte { return jsonOf(shown(e)) })
}

// gone is the data of a delete event.
type gone struct {
	Key     string `json:"key"`
	Field   string `json:"field,omitempty"`
	Version string `json:"version,omitempty"`
}
