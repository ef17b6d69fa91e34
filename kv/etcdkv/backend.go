package etcdkv

import (
	"context"
	"errors"
	"iter"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/starlingkv/starling/kv"
)

const (
	// defaultRequest is what a member takes if it was told nothing else.
	defaultRequest = 3 << 19
	// overhead is what a request has beside the value at most: the key a few times, the note, and what gRPC adds.
	overhead = 64 << 10
	// TTLSlack is how long a key may outlive its TTL while the cluster keeps its leader: a lease counts whole seconds, is
	// given the time that its write may take, and has a least length, two seconds with etcd's default timing. A new leader
	// begins every lease anew.
	TTLSlack = 5 * time.Second
)

var _ kv.Backend = (*store)(nil)

// Capabilities is part of kv.Backend.
func (s *store) Capabilities() kv.Capabilities {
	return kv.Capabilities{
		LinearizableCAS: true, OrderedWatch: true, TTL: true, TTLSlack: TTLSlack, Persistent: true, Media: true,
		MaxValue: min(s.maxRequest-overhead, kv.MaxValue),
	}
}

// Load is part of kv.Backend.
func (s *store) Load(ctx context.Context, key string) (kv.Entry, error) {
	e, err := s.load(ctx, key)
	return e.Entry, err
}

func (s *store) load(ctx context.Context, key string) (e entry, err error) {
	err = s.attempt(ctx, func(ctx context.Context, c *clientv3.Client) error {
		before := s.revision.Load()
		resp, err := c.Get(ctx, key, clientv3.WithRange(behind(key)))
		if err == nil {
			s.saw(before, resp.Header.Revision)
			e = s.met(resp.Header.ClusterId).one(key, resp.Kvs)
		}
		return err
	})
	return e, err
}

// Scan is part of kv.Backend. All of it is of one moment, unless it takes so long that etcd forgets that moment.
func (s *store) Scan(ctx context.Context, sel kv.Selection) iter.Seq2[kv.Entry, error] {
	return func(yield func(kv.Entry, error) bool) {
		p := s.pages(sel)
		for !p.done {
			entries, err := p.next(ctx)
			if errors.Is(err, rpctypes.ErrCompacted) {
				p.rev = 0 // the rest is of a later moment
				continue
			}
			if err != nil {
				yield(kv.Entry{}, err)
				return
			}
			for _, e := range entries {
				if !yield(e, nil) {
					return
				}
			}
		}
	}
}

// The number of rows in one page: values are asked for with care, as nobody knows how large they are.
const (
	firstRows = 64
	mostRows  = 8192
	keyRows   = 20_000
	pageBytes = 2 << 20 // a page of more makes the next one smaller
)

// pages reads a selection page by page, in the order of keys.
type pages struct {
	store    *store
	first    string // where the selection begins
	lo, hi   string // what is still to be read
	keysOnly bool
	rows     int64
	rev      int64 // of all pages; 0: of the next
	done     bool
}

func (s *store) pages(sel kv.Selection) *pages {
	p := &pages{store: s, keysOnly: sel.KeysOnly, rows: firstRows}
	p.lo, p.hi = bounds(sel)
	p.first = p.lo
	if p.keysOnly {
		p.rows = keyRows
	}
	return p
}

// next returns the entries of the next page; rpctypes.ErrCompacted if its moment is forgotten.
func (p *pages) next(ctx context.Context) (entries []kv.Entry, err error) {
	opts := []clientv3.OpOption{clientv3.WithRange(p.hi), clientv3.WithLimit(p.rows), clientv3.WithRev(p.rev)}
	if p.keysOnly {
		opts = append(opts, clientv3.WithKeysOnly())
	}
	var resp *clientv3.GetResponse
	err = p.store.attempt(ctx, func(ctx context.Context, c *clientv3.Client) (err error) {
		resp, err = c.Get(ctx, p.lo, opts...)
		return err
	})
	if err != nil {
		return nil, err
	}
	if p.rev == 0 {
		p.rev = resp.Header.Revision
	}
	rows := p.whole(resp)
	of := p.store.met(resp.Header.ClusterId)
	for len(rows) > 0 {
		var e entry
		if p.keysOnly {
			e.Key, rows = keyOf(rows[0]), rows[1:]
		} else {
			e, rows = of.take(rows)
		}
		if e.Key != "" {
			entries = append(entries, e.Entry)
		}
	}
	return entries, nil
}

// whole returns the rows of the page without a last value whose note may be on the next one, and goes on to that.
func (p *pages) whole(resp *clientv3.GetResponse) []*mvccpb.KeyValue {
	rows := resp.Kvs
	if !resp.More || len(rows) == 0 {
		p.done = true
		return rows
	}
	last := len(rows) - 1
	for last > 0 && kv.CheckKey(string(rows[last].Key)) != nil {
		last--
	}
	switch {
	case p.keysOnly || last == 0:
		// Without values there are no notes to be had; a page of only one value and its notes has these.
		p.lo = string(rows[len(rows)-1].Key) + "\x00"
	default:
		p.lo, rows = string(rows[last].Key), rows[:last]
	}
	if !p.keysOnly {
		p.resize(rows)
	}
	return rows
}

// resize chooses the number of rows of the next page by the bytes of this one.
func (p *pages) resize(rows []*mvccpb.KeyValue) {
	size := 0
	for _, row := range rows {
		size += len(row.Value)
	}
	if size > pageBytes {
		p.rows = max(p.rows/2, 8)
	} else {
		p.rows = min(p.rows*2, mostRows)
	}
}

// keyOf returns the key of a row that is a value, else "".
func keyOf(row *mvccpb.KeyValue) string {
	key := string(row.Key)
	if kv.CheckKey(key) != nil {
		return ""
	}
	return key
}
