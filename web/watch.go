package web

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strconv"
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

// newBoot names one run of a handler.
func newBoot() string { return rand.Text()[:8] }

// watch streams what happens to a prefix, or one key: the present state as put events, a sync, then every change. A
// client that comes back with Last-Event-ID is told reset first, because the state is told anew: what it holds and is
// not told again is gone.
func (h *Handler) watch(w http.ResponseWriter, r *http.Request) error {
	events, err := h.selected(r)
	if err != nil {
		return err
	}
	select {
	case h.seats <- struct{}{}:
		defer func() { <-h.seats }()
	default:
		return newProblem(busy, fmt.Sprintf("%d watches run already", h.cfg.MaxWatchers))
	}
	header := w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Accel-Buffering", "no") // asks proxies not to keep events back
	header.Set("Starling-Consistency", h.consistency())
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil
	}
	s := &stream{out: w, control: http.NewResponseController(w), boot: h.boot, stall: h.cfg.Stall}
	if err := h.tell(r, s, events); err != nil && r.Context().Err() == nil {
		h.cfg.Log.Debug("watch ended", "remote", r.RemoteAddr, "err", err)
	}
	return nil
}

// selected returns the events the request asks for.
func (h *Handler) selected(r *http.Request) (func(context.Context) iter.Seq2[kv.Event, error], error) {
	query, err := queryOf(r, "prefix", "key")
	if err != nil {
		return nil, err
	}
	if err := h.require(r); err != nil {
		return nil, err
	}
	if !query.Has("key") {
		return func(ctx context.Context) iter.Seq2[kv.Event, error] {
			return h.reads.Events(ctx, query.Get("prefix"))
		}, nil
	}
	key := query.Get("key")
	if query.Has("prefix") {
		return nil, newProblem(badRequest, "key or prefix, not both")
	}
	if err := kv.CheckKey(key); err != nil {
		return nil, err
	}
	return func(ctx context.Context) iter.Seq2[kv.Event, error] {
		return only(key, h.reads.Events(ctx, key))
	}, nil
}

// only leaves out the events of other keys.
func only(key string, events iter.Seq2[kv.Event, error]) iter.Seq2[kv.Event, error] {
	return func(yield func(kv.Event, error) bool) {
		for ev, err := range events {
			if ev.Key != "" && ev.Key != key {
				continue
			}
			if !yield(ev, err) {
				return
			}
		}
	}
}

// told is one event on its way from the store to the stream.
type told struct {
	kv.Event
	err error
}

// tell writes events until the watch or its client ends. The store waits for a slow client by coalescing what that one
// was not told yet; nothing queues here but the few events read ahead.
func (h *Handler) tell(r *http.Request, s *stream, events func(context.Context) iter.Seq2[kv.Event, error]) error {
	ctx, cancel := context.WithCancel(r.Context())
	ch := make(chan told, ahead)
	go func() {
		defer close(ch)
		for ev, err := range events(ctx) {
			select {
			case ch <- told{ev, err}:
			case <-ctx.Done():
				return
			}
		}
	}()
	defer func() {
		cancel()
		for range ch { // until the goroutine is gone
		}
	}()
	s.retry()
	if r.Header.Get("Last-Event-ID") != "" {
		s.event("reset", nil) // this client comes back, and the state follows anew
	}
	if err := s.flush(); err != nil {
		return err
	}
	alive := time.NewTicker(h.cfg.KeepAlive)
	defer alive.Stop()
	for {
		select {
		case t, ok := <-ch:
			if !ok {
				return io.EOF
			}
			if err := s.next(t, len(ch)); err != nil {
				return err
			}
		case <-alive.C:
			if err := s.comment("keepalive"); err != nil {
				return err
			}
		}
	}
}

// stream writes server-sent events.
type stream struct {
	out     io.Writer
	control *http.ResponseController
	boot    string
	stall   time.Duration
	seq     uint64
	buf     bytes.Buffer
}

// retry tells how soon to come back.
func (s *stream) retry() { s.buf.WriteString("retry: " + strconv.Itoa(retryAfter) + "\n\n") }

// next writes an event. It flushes when no other one is ready.
func (s *stream) next(t told, ready int) error {
	if t.err != nil && t.Key == "" {
		return errors.Join(t.err, s.flush())
	}
	switch t.Kind {
	case kv.Put:
		e := whole(t.Entry)
		s.event("put", &e)
	case kv.Delete:
		s.event("delete", &gone{Key: t.Key, Version: t.Version})
	case kv.Synced:
		s.event("sync", nil)
	case kv.Reset:
		s.event("reset", nil)
	}
	if ready > 0 && s.buf.Len() < chunk {
		return nil
	}
	return s.flush()
}

// gone is the data of a delete event.
type gone struct {
	Key     string `json:"key"`
	Version string `json:"version,omitempty"`
}

// event appends an event to what the next flush writes. JSON has no line breaks of its own, so the data is one line.
func (s *stream) event(name string, data any) {
	s.seq++
	fmt.Fprintf(&s.buf, "id: %s:%d\nevent: %s\ndata: ", s.boot, s.seq, name)
	if data == nil {
		s.buf.WriteString("{}\n")
	} else {
		_ = encoder(&s.buf).Encode(data) // of our own types, into memory; ends the line
	}
	s.buf.WriteByte('\n')
}

func (s *stream) comment(text string) error {
	s.buf.WriteString(": " + text + "\n\n")
	return s.flush()
}

// flush writes what is pending, each chunk against a deadline of its own. The deadline of the whole answer, which a
// server may have, would end every watch.
func (s *stream) flush() error {
	defer s.reset()
	for s.buf.Len() > 0 {
		if err := s.control.SetWriteDeadline(time.Now().Add(s.stall)); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return err
		}
		if _, err := s.out.Write(s.buf.Next(chunk)); err != nil {
			return err
		}
		if err := s.control.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// reset forgets the buffer of an uncommonly large value.
func (s *stream) reset() {
	if s.buf.Cap() > 16*chunk {
		s.buf = bytes.Buffer{}
		return
	}
	s.buf.Reset()
}
