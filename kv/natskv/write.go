package natskv

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"github.com/starlingkv/starling/internal/note"
	"github.com/starlingkv/starling/kv"
)

// Store is part of kv.Backend.
func (s *store) Store(ctx context.Context, e kv.Entry, w kv.Write) (version string, err error) {
	raw, _ := e.Value.(kv.Raw)
	err = s.replace(ctx, e.Key, func(b *bucket, present record) (*nats.Msg, error) {
		old := present.entry(b)
		if !w.Admits(old.Version) {
			return nil, kv.ErrConflict
		}
		if old.Codec != "" && old.Codec != e.Codec {
			return nil, fmt.Errorf("%w: the key holds %q, not %q", kv.ErrType, old.Codec, e.Codec)
		}
		known, err := note.Note{Codec: e.Codec, Media: e.Media, Updated: time.Now(), Origin: s.origin}.Append(nil)
		if err != nil {
			return nil, err
		}
		m := &nats.Msg{Data: raw, Header: nats.Header{noteHeader: {string(known)}}}
		if ttl, ok := wholeSeconds(w.TTL); ok {
			if !b.ttl {
				return nil, fmt.Errorf("%w: a TTL in this bucket", kv.ErrUnsupported)
			}
			m.Header.Set(jetstream.MsgTTLHeader, ttl.String())
		}
		return m, nil
	}, func(b *bucket, seq uint64) { version = b.version(seq) })
	return version, err
}

// Drop is part of kv.Backend.
func (s *store) Drop(ctx context.Context, key string, w kv.Write) error {
	return s.replace(ctx, key, func(b *bucket, present record) (*nats.Msg, error) {
		switch version := present.version(b); {
		case version == "":
			return nil, nil
		case !w.Admits(version):
			return nil, kv.ErrConflict
		}
		m := &nats.Msg{Header: nats.Header{operationHeader: {opDelete}}}
		if b.markers > 0 {
			m.Header.Set(jetstream.MsgTTLHeader, b.markers.String())
		}
		return m, nil
	}, func(*bucket, uint64) {})
}

// replace puts the message that next makes of the present record in its place, unless it makes none, and tells done its
// sequence number. When another write comes in between, next is asked again.
func (s *store) replace(ctx context.Context, key string, next func(*bucket, record) (*nats.Msg, error), done func(*bucket, uint64)) error {
	p := publication{store: s, key: key}
	err := s.try(ctx, func(ctx context.Context, b *bucket) error {
		for {
			if p.msg != nil {
				// Sent before, without an answer.
				seq, err := p.send(ctx, b)
				if err == nil {
					done(b, seq)
				}
				return err
			}
			present, err := s.last(ctx, b, key)
			if err != nil {
				return err
			}
			msg, err := next(b, present)
			if err != nil || msg == nil {
				return err
			}
			p.prepare(b, msg, present.seq)
			seq, err := p.send(ctx, b)
			if err == nil {
				done(b, seq)
			}
			if !errors.Is(err, errRaced) {
				return err
			}
			p.msg = nil
		}
	})
	if err != nil && p.lost && !errors.Is(err, kv.ErrUnknown) {
		err = fmt.Errorf("%w: %w", kv.ErrUnknown, err)
	}
	return err
}

// errRaced is a write that certainly did not happen, because another came first.
var errRaced = errors.New("another write came first")

// errOnItsWay is a write that may yet happen, and is asked for again.
var errOnItsWay = errors.New("the write is on its way")

// publication is one message on its way into the bucket. Under its id it is stored at most once, however often it is sent.
type publication struct {
	store *store
	key   string
	msg   *nats.Msg // nil: nothing may have arrived
	id    string
	after uint64 // sequence number of what it replaces
	first time.Time
	lost  bool // an answer was lost: it may be stored
}

func (p *publication) prepare(b *bucket, msg *nats.Msg, after uint64) {
	msg.Subject = b.prefix + encodeKey(p.key)
	p.msg, p.id, p.after, p.first, p.lost = msg, nuid.Next(), after, time.Now(), false
}

// send sends the message and returns its sequence number.
func (p *publication) send(ctx context.Context, b *bucket) (uint64, error) {
	if p.lost && time.Since(p.first)+answerWithin > b.window {
		return 0, kv.ErrUnknown // the server may have forgotten the id
	}
	ctx, cancel := p.store.request(ctx, answerWithin)
	defer cancel()
	ack, err := p.store.js.PublishMsg(ctx, p.msg,
		jetstream.WithMsgID(p.id), jetstream.WithExpectLastSequencePerSubject(p.after), jetstream.WithRetryAttempts(0))
	switch {
	case err == nil:
		return ack.Sequence, nil
	case isCode(err, codeWrongSequence, codeWrongSequence2):
		return p.find(ctx, b)
	case errors.Is(err, nats.ErrMaxPayload), isCode(err, codeTooLarge):
		return 0, fmt.Errorf("%w: %w", kv.ErrTooLarge, err)
	case errors.Is(err, jetstream.ErrNoStreamResponse), errors.Is(err, nats.ErrReconnectBufExceeded):
		// Nobody was there to take it.
	default:
		p.lost = true
	}
	if !p.lost {
		p.msg = nil // the next try looks first
	}
	return 0, err
}

// find is called when the server says that something else stands where the message should go: after a lost answer that
// may be the message itself.
func (p *publication) find(ctx context.Context, b *bucket) (uint64, error) {
	if !p.lost {
		return 0, errRaced
	}
	present, err := p.store.last(ctx, b, p.key)
	switch {
	case err != nil:
		return 0, err
	case present.header.Get(jetstream.MsgIDHeader) == p.id:
		return present.seq, nil
	case present.seq == p.after:
		return 0, errOnItsWay
	}
	return 0, kv.ErrUnknown
}
