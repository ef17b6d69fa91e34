package httpkv

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/starlingkv/starling/kv"
)

const (
	// silence is how long a stream may bring nothing before it is taken for broken: three keep-alives.
	silence = 45 * time.Second
	// The wait before a broken stream is opened again doubles from the first to the last.
	firstWait = 50 * time.Millisecond
	lastWait  = 2 * time.Second
	// maxMessage bounds the lines of one event: the largest value, every byte of it escaped.
	maxMessage = 6*kv.MaxValue + 1<<20
)

// Feed is part of kv.Backend.
func (s *server) Feed(ctx context.Context, sel kv.Selection) iter.Seq2[kv.Event, error] {
	return func(yield func(kv.Event, error) bool) {
		for told, err := range s.follow(ctx, sel, Following{}) {
			if !yield(told.Event, err) {
				return
			}
		}
	}
}

// Following says how a watch is followed. The zero Following begins with the present state and goes on when it breaks.
type Following struct {
	Since  string // the id of the event behind which it begins; one that the server does not know any more is told Reset
	Field  string // of the key that is watched: what happens to that alone, with its value; empty: to the whole
	Breaks Breaks
}

// Breaks is what becomes of a watch whose stream breaks.
type Breaks int

// What becomes of it.
const (
	GoOn Breaks = iota // it is opened again, for as long as it takes
	End                // it ends with the error
)

// Told is an event and its id, which the process that told it knows for a while.
type Told struct {
	ID string
	kv.Event
}

// Follow watches the selection as Feed of the Backend does, with the ids of the events.
func (c *Client) Follow(ctx context.Context, sel kv.Selection, how Following) iter.Seq2[Told, error] {
	return c.server.follow(ctx, sel, how)
}

// maxEventID is the longest id of an event that is sent to a server.
const maxEventID = 256

// checkEventID takes what stands in a header as it is.
func checkEventID(id string) error {
	if len(id) > maxEventID || strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return fmt.Errorf("%w: %.40q is no id of an event", kv.ErrUnsupported, id)
	}
	return nil
}

func (s *server) follow(ctx context.Context, sel kv.Selection, how Following) iter.Seq2[Told, error] {
	return func(yield func(Told, error) bool) {
		if err := checkEventID(how.Since); err != nil {
			yield(Told{}, err)
			return
		}
		f := &feed{server: s, sel: sel, field: how.Field, yield: yield, last: how.Since}
		wait := firstWait
		for {
			before := f.last
			err := f.stream(ctx)
			if f.stopped {
				return
			}
			end := s.final(ctx, err)
			if end == nil && how.Breaks == End {
				end = fmt.Errorf("%w: %w", kv.ErrUnreachable, err)
			}
			if end != nil {
				yield(Told{}, end)
				return
			}
			if f.last != before {
				wait = firstWait // it worked, so this is a new trouble
			}
			s.log.Warn("watch broken, trying again", "key", sel.Prefix+sel.Key, "err", err)
			pause(ctx, s.life, wait)
			wait = min(2*wait, lastWait)
		}
	}
}

// final returns why a watch is over after err, nil if it is worth another try.
func (s *server) final(ctx context.Context, err error) error {
	if s.life.Err() != nil {
		return kv.ErrClosed
	}
	if ended := kv.Ended(ctx); ended != nil {
		return ended
	}
	var p *Problem
	if errors.As(err, &p) && p.Status != http.StatusServiceUnavailable {
		return err // the same request would be refused again
	}
	return nil
}

// pause waits, or until one of the contexts ends. A random half is taken away, so that the watchers of a server that
// restarts do not come all at once.
func pause(ctx, life context.Context, d time.Duration) {
	t := time.NewTimer(d/2 + rand.N(d/2+1))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	case <-life.Done():
	}
}

// feed is a watch across the streams it takes.
type feed struct {
	server  *server
	sel     kv.Selection
	field   string // empty: the whole value
	yield   func(Told, error) bool
	last    string // id of the last event told
	stopped bool   // yield wants no more
}

// stream reads one stream to its end, which is always an error unless the watch was stopped.
func (f *feed) stream(ctx context.Context) error {
	c := call{method: http.MethodGet, path: "/v1/watch", query: url.Values{}, header: http.Header{}}
	if f.sel.Key != "" {
		c.query.Set("key", f.sel.Key)
	} else {
		c.query.Set("prefix", f.sel.Prefix)
	}
	if f.sel.NoValues {
		c.query.Set("values", "false")
	}
	if f.field != "" {
		c.query.Set("field", f.field)
	}
	if f.last != "" {
		c.header.Set("Last-Event-ID", f.last) // the server goes on behind it, or answers with a reset
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	resp, err := f.server.send(ctx, c)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	in := bufio.NewReaderSize(resp.Body, 64<<10)
	for !f.stopped {
		// The time the caller takes for an event is not the stream's silence.
		overdue := time.AfterFunc(silence, cancel)
		m, err := readMessage(in, maxMessage)
		overdue.Stop()
		if err == nil {
			err = f.tell(m)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// tell yields the event of a message. Names that are not known yet are left out.
func (f *feed) tell(m message) error {
	var ev kv.Event
	switch m.event {
	case "put":
		var e entry
		if err := json.Unmarshal(m.data, &e); err != nil {
			return fmt.Errorf("a put event that does not read: %w", err)
		}
		ev = kv.Event{Kind: kv.Put, Entry: e.entry()}
	case "delete":
		var e entry
		if err := json.Unmarshal(m.data, &e); err != nil {
			return fmt.Errorf("a delete event that does not read: %w", err)
		}
		ev = kv.Event{Kind: kv.Delete, Entry: kv.Entry{Key: e.Key, Version: e.Version}}
	case "sync":
		ev = kv.Event{Kind: kv.Synced}
	case "reset":
		ev = kv.Event{Kind: kv.Reset}
	default:
		return nil
	}
	f.last = m.id
	f.stopped = !f.yield(Told{m.id, ev}, nil)
	return nil
}

// message is one event of a stream, or a comment, which has no event.
type message struct {
	id, event string
	data      []byte
}

// readMessage reads up to the next empty line, at most limit bytes and what one buffer of in holds.
func readMessage(in *bufio.Reader, limit int) (message, error) {
	var m message
	for {
		line, err := readLine(in, limit)
		if err != nil {
			return m, err
		}
		limit -= len(line)
		if len(line) == 0 {
			return m, nil
		}
		field, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(field) {
		case "id":
			m.id = string(value)
		case "event":
			m.event = string(value)
		case "data":
			if m.data != nil {
				m.data = append(m.data, '\n')
			}
			m.data = append(m.data, value...)
		}
	}
}

// readLine reads one line without its end. It refuses what is longer than limit.
func readLine(in *bufio.Reader, limit int) ([]byte, error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > limit:
			return nil, errors.New("an event of more bytes than the largest value has")
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF):
			return nil, io.ErrUnexpectedEOF
		case err != nil:
			return nil, err
		}
		return bytes.TrimRight(line, "\r\n"), nil
	}
}
