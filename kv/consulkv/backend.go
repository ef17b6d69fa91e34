package consulkv

import (
	"context"
	"encoding/binary"
	"hash/crc32"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/starlingkv/starling/kv"
)

const (
	// maxValue is what a server takes if it was told nothing else.
	maxValue = 512 << 10
	// skew is how much the clocks of writer and reader may differ before a value goes early for that reader.
	skew = 10 * time.Second
	// TTLSlack is how long a key may outlive its TTL for a reader when its writer is gone: twice the skew, and what the
	// rounding of its times takes.
	TTLSlack = 2*skew + 3*time.Second
)

var _ kv.Backend = (*store)(nil)

// Capabilities is part of kv.Backend. A watch reads states, so changes of different keys come in no order.
func (s *store) Capabilities() kv.Capabilities {
	return kv.Capabilities{LinearizableCAS: true, TTL: true, TTLSlack: TTLSlack, Persistent: true, MaxValue: maxValue, Media: true}
}

// question is one read: of a key or a prefix, at once or when there is news.
type question struct {
	kv.Selection
	index uint64        // wait until there is something newer; 0: do not
	wait  time.Duration // for how long
}

// answer is what there is: rows in the order of keys, and the index to ask for news with.
type answer struct {
	rows  []row
	index uint64
}

// row is a value of Consul and the entry that it is here.
type row struct {
	kv.Entry
	pair *api.KVPair
}

// ask reads once. What is overdue is left out.
func (s *store) ask(ctx context.Context, q question) (answer, error) {
	opts := s.query(ctx)
	opts.WaitIndex, opts.WaitTime = q.index, q.wait
	pairs, meta, err := s.fetch(q, opts)
	if err == nil {
		err = s.learnOf(ctx, pairs)
	}
	if err != nil {
		return answer{}, err
	}
	a := answer{index: meta.LastIndex}
	for _, p := range pairs {
		path := strings.TrimPrefix(p.Key, s.prefix)
		key, ok := unescape(path)
		switch {
		case path == kindsRow:
		case !ok:
			s.leave(p.Key)
		case q.Key == "" && (!strings.HasPrefix(key, q.Prefix) || key <= q.After), overdue(p):
		default:
			a.rows = append(a.rows, row{Entry: s.entry(key, p), pair: p})
		}
	}
	slices.SortFunc(a.rows, func(x, y row) int { return strings.Compare(x.Key, y.Key) })
	return a, nil
}

func (s *store) fetch(q question, opts *api.QueryOptions) (api.KVPairs, *api.QueryMeta, error) {
	if q.Key == "" {
		return s.api.KV().List(s.prefix+under(q.Prefix), opts)
	}
	p, meta, err := s.api.KV().Get(s.prefix+escape(q.Key), opts)
	if err != nil || p == nil {
		return nil, meta, err
	}
	return api.KVPairs{p}, meta, nil
}

// Load is part of kv.Backend.
func (s *store) Load(ctx context.Context, key string) (kv.Entry, error) {
	r, err := s.load(ctx, key)
	return r.Entry, err
}

// load returns the row of a key: without a pair if there is none, and without a version if that is overdue.
func (s *store) load(ctx context.Context, key string) (r row, err error) {
	err = s.Do(ctx, func(ctx context.Context) error {
		p, _, err := s.api.KV().Get(s.prefix+escape(key), s.query(ctx))
		switch {
		case err != nil:
			return err
		case p == nil || overdue(p):
			r = row{Entry: kv.Entry{Key: key}, pair: p}
			return nil
		}
		if err := s.learnOf(ctx, api.KVPairs{p}); err != nil {
			return err
		}
		r = row{Entry: s.entry(key, p), pair: p}
		return nil
	})
	return r, err
}

// Scan is part of kv.Backend. It is one answer of Consul, so it sees one moment.
func (s *store) Scan(ctx context.Context, sel kv.Selection) iter.Seq2[kv.Entry, error] {
	return func(yield func(kv.Entry, error) bool) {
		var a answer
		err := s.Do(ctx, func(ctx context.Context) (err error) {
			a, err = s.ask(ctx, question{Selection: sel})
			return err
		})
		if err != nil {
			yield(kv.Entry{}, err)
			return
		}
		for _, r := range a.rows {
			if !yield(r.Entry, nil) {
				return
			}
		}
	}
}

// entry is what a pair is here.
func (s *store) entry(key string, p *api.KVPair) kv.Entry {
	e := kv.Entry{Key: key, Value: raw(p.Value), Version: versionOf(p), Size: len(p.Value)}
	name, _ := s.kinds.name(p)
	e.Codec, e.Media = name.codec, name.media
	if st, ok := stampOf(p.Flags); ok {
		e.Updated = st.updated
	}
	e.Expires, _ = expires(p)
	return e
}

// expires returns when the value expires, if it does: it has a TTL and a session that ends it.
func expires(p *api.KVPair) (time.Time, bool) {
	st, ok := stampOf(p.Flags)
	if !ok || st.ttl == 0 || p.Session == "" {
		return time.Time{}, false
	}
	return st.updated.Add(st.ttl), true
}

// due is when a value that expires is taken for absent, for this reader's clock.
func due(at time.Time) time.Time { return at.Add(skew + stampTick) }

// overdue reports whether a value should be gone, whatever the clocks: its writer did not delete it, and its session has
// not ended yet.
func overdue(p *api.KVPair) bool {
	at, ok := expires(p)
	return ok && time.Now().After(due(at))
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// versionOf is the index of the write and a checksum of the row: the index alone comes again in a cluster that was begun
// anew, or restored from a snapshot.
func versionOf(p *api.KVPair) string {
	var head [16]byte
	binary.BigEndian.PutUint64(head[:8], p.CreateIndex)
	binary.BigEndian.PutUint64(head[8:], p.Flags)
	sum := crc32.Update(crc32.Checksum(head[:], castagnoli), castagnoli, p.Value)
	return strconv.FormatUint(p.ModifyIndex, 10) + "-" + strconv.FormatUint(uint64(sum), 36)
}

// raw is a value that is there, also if it has no bytes.
func raw(b []byte) kv.Raw {
	if b == nil {
		return kv.Raw{}
	}
	return b
}
