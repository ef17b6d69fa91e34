package natskv

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/starlingkv/starling/kv"
)

const (
	// ahead is how many messages the server may send before they are asked for.
	ahead = 128
	// A server that sends nothing for two heartbeats is taken for gone.
	heartbeat = time.Second
	pullFor   = 10 * time.Second
	// idle is after how long the server removes a reader that its client has left without a word.
	idle = time.Minute
	// goodbye bounds the request that removes a reader.
	goodbye = time.Second
	// createWithin is how long the server may take at first to make a reader.
	createWithin = 400 * time.Millisecond
	// recheck is how often the leader is asked anew while a replica has not told what it should.
	recheck = 100 * time.Millisecond
	// So often it is asked, without anything told, before a reader is given up: one that has something to tell, and one
	// that waits for its replica.
	impatient, patient = 5, 50
)

// reader tells the records of a selection: the last of each key first, then every later one.
type reader struct {
	store    *store
	bucket   *bucket
	sel      kv.Selection
	consumer jetstream.Consumer
	messages jetstream.MessagesContext
	upTo     uint64 // the last record there was when the reader was made
	told     uint64 // the sequence number of the last one
	count    uint64 // how many the reader was told
	pending  uint64 // how many are left, as far as the replica knows
}

// read makes a reader.
func (s *store) read(ctx context.Context, b *bucket, sel kv.Selection) (*reader, error) {
	r := &reader{store: s, bucket: b, sel: sel}
	if err := r.look(ctx); err != nil {
		return nil, err
	}
	config := jetstream.ConsumerConfig{
		DeliverPolicy:     jetstream.DeliverLastPerSubjectPolicy,
		AckPolicy:         jetstream.AckNonePolicy,
		MaxDeliver:        1,
		MemoryStorage:     true,
		Replicas:          1,
		InactiveThreshold: idle,
		HeadersOnly:       sel.KeysOnly,
	}
	for _, name := range r.names() {
		config.FilterSubjects = append(config.FilterSubjects, b.prefix+name)
	}
	if err := r.create(ctx, config); err != nil {
		return nil, err
	}
	var err error
	r.messages, err = r.consumer.Messages(
		jetstream.PullMaxMessages(ahead), jetstream.PullExpiry(pullFor), jetstream.PullHeartbeat(heartbeat))
	if err != nil {
		r.remove()
		return nil, err
	}
	return r, nil
}

// create makes the consumer. The server may choose a member of the cluster for it that has just died, and never answer:
// asked again it chooses anew.
func (r *reader) create(ctx context.Context, config jetstream.ConsumerConfig) (err error) {
	for within := createWithin; ; within *= 2 {
		r.consumer, err = r.createOnce(ctx, config, within)
		if err == nil {
			r.pending = r.consumer.CachedInfo().NumPending
		}
		if !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil || within > answerWithin {
			return err
		}
	}
}

func (r *reader) createOnce(ctx context.Context, config jetstream.ConsumerConfig, within time.Duration) (jetstream.Consumer, error) {
	ctx, cancel := r.store.request(ctx, within)
	defer cancel()
	return r.store.js.CreateConsumer(ctx, r.bucket.stream, config)
}

// names are the NATS keys of the selection, with wildcards.
func (r *reader) names() []string {
	if r.sel.Key != "" {
		return []string{encodeKey(r.sel.Key)}
	}
	return filters(r.sel.Prefix)
}

// look asks the leader for the last record of the selection: what a replica must have told before its state is not older
// than the moment of the question.
func (r *reader) look(ctx context.Context) error {
	r.upTo = 0
	for _, name := range r.names() {
		last, err := r.store.lastUnder(ctx, r.bucket, name)
		if err != nil {
			return err
		}
		r.upTo = max(r.upTo, last.seq)
	}
	return nil
}

// errQuiet ends a reader that is not told what there is: the request for it did not arrive, or the replica hangs.
var errQuiet = errors.New("what there is is not told")

// state reads the last record of each key that has one, deleted ones included.
func (r *reader) state(ctx context.Context) (map[string]record, error) {
	state := make(map[string]record)
	for quiet := 0; r.pending > 0 || r.told < r.upTo; {
		within, cancel := context.WithTimeout(ctx, recheck)
		rec, mine, err := r.next(within)
		late := err != nil && within.Err() != nil && ctx.Err() == nil
		cancel()
		switch {
		case late:
			if quiet++; quiet > patient || r.pending > 0 && quiet > impatient {
				return nil, errQuiet
			}
			if err := r.recount(ctx); err != nil {
				return nil, err
			}
			continue
		case err != nil:
			return nil, err
		case mine:
			state[rec.key] = rec
		}
		quiet = 0
	}
	return state, nil
}

// recount asks anew what is left to be told. The replica may be behind the leader; or a record went, replaced or expired,
// before its turn came.
func (r *reader) recount(ctx context.Context) error {
	if err := r.look(ctx); err != nil {
		return err
	}
	ctx, cancel := r.store.request(ctx, answerWithin)
	defer cancel()
	info, err := r.consumer.Info(ctx)
	if err != nil {
		return err
	}
	// What was sent and not read yet is left too.
	r.pending = info.NumPending + info.Delivered.Consumer - r.count
	return nil
}

// next returns the next record, and whether it is one of the selection.
func (r *reader) next(ctx context.Context) (rec record, mine bool, err error) {
	m, err := r.messages.Next(jetstream.NextContext(ctx))
	if err != nil {
		return record{}, false, err
	}
	meta, err := m.Metadata()
	if err != nil {
		return record{}, false, fmt.Errorf("a message that is none of a bucket: %w", err)
	}
	if r.count++; meta.Sequence.Consumer != r.count {
		return record{}, false, fmt.Errorf("message %d came after %d were told", meta.Sequence.Consumer, r.count-1)
	}
	r.told, r.pending = meta.Sequence.Stream, meta.NumPending
	key, mine := r.mine(m.Subject())
	if !mine {
		return record{}, false, nil
	}
	return record{key: key, seq: meta.Sequence.Stream, at: meta.Timestamp, header: m.Headers(), body: m.Data()}, true, nil
}

// mine returns the key of a subject, and whether it is one of the selection.
func (r *reader) mine(subject string) (key string, mine bool) {
	key, err := decodeKey(strings.TrimPrefix(subject, r.bucket.prefix))
	if err == nil {
		err = kv.CheckKey(key)
	}
	if err != nil {
		r.store.noKey(subject, err)
		return "", false
	}
	return key, (r.sel.Key == "" || key == r.sel.Key) && strings.HasPrefix(key, r.sel.Prefix)
}

// noKey logs a name that is no key, once.
func (s *store) noKey(subject string, err error) {
	s.mu.Lock()
	known := s.odd[subject]
	if len(s.odd) >= maxOdd {
		clear(s.odd)
	}
	s.odd[subject] = true
	s.mu.Unlock()
	if !known {
		s.log.Warn("a name in the bucket that is no key is left out", "subject", subject, "err", err)
	}
}

// close ends the reader.
func (r *reader) close() {
	r.messages.Stop()
	r.remove()
}

// remove tells the server that the reader is gone. If that does not arrive the server finds out by itself.
func (r *reader) remove() {
	if !r.store.conn.IsConnected() {
		return
	}
	name := r.consumer.CachedInfo().Name
	ctx, cancel := context.WithTimeout(r.store.Life, goodbye)
	defer cancel()
	if err := r.store.js.DeleteConsumer(ctx, r.bucket.stream, name); err != nil {
		r.store.log.Debug("a reader is left to the server to remove", "consumer", name, "err", err)
	}
}
