package natskv

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/starlingkv/starling/kv"
)

var _ kv.Backend = (*store)(nil)

// Load is part of kv.Backend.
func (s *store) Load(ctx context.Context, key string) (e kv.Entry, err error) {
	err = s.try(ctx, func(ctx context.Context, b *bucket) error {
		r, err := s.last(ctx, b, key)
		e = r.entry(b)
		return err
	})
	return e, err
}

// last returns the last record of the key.
func (s *store) last(ctx context.Context, b *bucket, key string) (record, error) {
	r, err := s.lastUnder(ctx, b, encodeKey(key))
	r.key = key
	return r, err
}

// lastUnder returns the last record whose name matches, a zero one if there is none. It asks the leader of the stream,
// whom every acknowledged write has passed: the client's own reads go to any replica.
func (s *store) lastUnder(ctx context.Context, b *bucket, name string) (record, error) {
	question, err := json.Marshal(map[string]string{"last_by_subj": b.prefix + name})
	if err != nil {
		return record{}, err
	}
	ctx, cancel := s.request(ctx, answerWithin)
	defer cancel()
	reply, err := s.conn.RequestWithContext(ctx, jetstream.DefaultAPIPrefix+"STREAM.MSG.GET."+b.stream, question)
	if err != nil {
		return record{}, err
	}
	var answer struct {
		Error   *jetstream.APIError `json:"error"`
		Message *struct {
			Seq    uint64    `json:"seq"`
			Header []byte    `json:"hdrs"`
			Data   []byte    `json:"data"`
			Time   time.Time `json:"time"`
		} `json:"message"`
	}
	switch err := json.Unmarshal(reply.Data, &answer); {
	case err != nil:
		return record{}, fmt.Errorf("an answer that does not read: %w", err)
	case answer.Error != nil && answer.Error.ErrorCode == codeNoMessage:
		return record{}, nil
	case answer.Error != nil:
		return record{}, answer.Error
	case answer.Message == nil:
		return record{}, fmt.Errorf("an answer without a message: %.100q", reply.Data)
	}
	m := answer.Message
	header, err := nats.DecodeHeadersMsg(m.Header)
	if err != nil && len(m.Header) > 0 {
		return record{}, fmt.Errorf("headers that do not read: %w", err)
	}
	return record{seq: m.Seq, at: m.Time, header: header, body: m.Data}, nil
}

// Scan is part of kv.Backend. It sees the state at one moment between its beginning and its first pair.
func (s *store) Scan(ctx context.Context, sel kv.Selection) iter.Seq2[kv.Entry, error] {
	return func(yield func(kv.Entry, error) bool) {
		var b *bucket
		var state map[string]record
		err := s.try(ctx, func(ctx context.Context, open *bucket) error {
			r, err := s.read(ctx, open, sel)
			if err != nil {
				return err
			}
			defer r.close()
			b = open
			state, err = r.state(ctx)
			return err
		})
		if err != nil {
			yield(kv.Entry{}, err)
			return
		}
		for _, key := range slices.Sorted(maps.Keys(state)) {
			if r := state[key]; !r.gone() && key > sel.After && !yield(r.entry(b), nil) {
				return
			}
		}
	}
}
