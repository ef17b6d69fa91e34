package starling

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"time"

	"github.com/starlingkv/starling/crdt"
	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/engine"
	"github.com/starlingkv/starling/internal/hlc"
	"github.com/starlingkv/starling/internal/tree"
	"github.com/starlingkv/starling/kv"
)

// Client is one face of a node: a kv.Client, with all optional interfaces, for
// values of one kind. It is safe for concurrent use and needs no closing.
type Client struct{ face }

// face is what a client of any kind can do.
type face interface {
	kv.Client
	kv.Capable
	kv.Counted
	kv.Versioned
	kv.Watcher

	// LastUpdateTime is when the value of the key was written, by the clock of its
	// writer; the zero time if there is no value.
	LastUpdateTime(key string) time.Time
}

// Client returns a client for values of the kind, which stands in its registry
// or not. Clients are cheap, but make one per kind and keep it: each has counts
// of its own, and Stats adds them up.
func (n *Node) Client(kind crdt.Kind) *Client {
	c := &Client{}
	switch kind := kind.(type) {
	case crdt.Flat:
		c.face = flat{kv.NewBase(&store{node: n, kind: kind}, kind.Codec(), n.log)}
	case crdt.Merging:
		c.face = newMerger(n, kind)
	default:
		panic(fmt.Sprintf("starling: no client for the kind %v", kind))
	}
	n.clientsMu.Lock()
	n.clients = append(n.clients, c)
	n.clientsMu.Unlock()
	return c
}

// flat is the face of kinds whose values are read and written whole.
type flat struct{ *kv.Base }

// CAS is part of kv.Client. In Starting it waits before it reads, so that f
// sees what the cluster holds.
func (c flat) CAS(ctx context.Context, key string, f func(in any) (out any, retry bool, err error)) error {
	return c.Base.CAS(context.WithValue(ctx, forWriting{}, true), key, f)
}

// forWriting marks the context of a Load whose reader is about to write.
type forWriting struct{}

// ttlSlack is how late another node may notice the end of a time to live: the
// clocks of two members differ by no more.
const ttlSlack = 10 * time.Second

// store is the engine as kv.Base wants it, for one kind.
type store struct {
	node *Node
	kind crdt.Flat
}

// Capabilities is part of kv.Backend.
func (s *store) Capabilities() kv.Capabilities {
	can := capabilities
	can.Media = true
	return can
}

// capabilities are those of every client of a node. A value that merges has no
// media type.
var capabilities = kv.Capabilities{TTL: true, TTLSlack: ttlSlack, MaxValue: kv.MaxValue}

// Load is part of kv.Backend.
func (s *store) Load(ctx context.Context, key string) (kv.Entry, error) {
	if ctx.Value(forWriting{}) != nil {
		if err := s.node.awaitWritable(ctx); err != nil {
			return kv.Entry{}, err
		}
	}
	if err := s.node.usable(); err != nil {
		return kv.Entry{}, err
	}
	e, _ := s.look(s.node.engine.Root(), key)
	return e, nil
}

// belongs says whose a key is.
type belongs uint8

const (
	absent  belongs = iota
	ours            // it has a value of this kind
	another         // it has values, of other kinds only
)

// look reads one key.
func (s *store) look(r *engine.Root, key string) (kv.Entry, belongs) {
	lo, hi := cell.KeyRange(key)
	for e, whose := range s.keys(r, lo, hi) {
		return e, whose
	}
	return kv.Entry{Key: key}, absent
}

// keys yields the keys in a range of addresses that have a value, in order.
func (s *store) keys(r *engine.Root, lo, hi string) iter.Seq2[kv.Entry, belongs] {
	return func(yield func(kv.Entry, belongs) bool) {
		var key string
		var cells []*cell.Stored
		for c := range r.Tree.Range(lo, hi) {
			if !c.Visible() {
				continue
			}
			if k := c.Addr.Key(); k != key {
				if len(cells) > 0 && !yield(s.entry(key, cells)) {
					return
				}
				key, cells = k, cells[:0]
			}
			cells = append(cells, c)
		}
		if len(cells) > 0 {
			yield(s.entry(key, cells))
		}
	}
}

// entry puts a key together from its visible cells.
func (s *store) entry(key string, cells []*cell.Stored) (kv.Entry, belongs) {
	var sum tree.Agg
	for _, c := range cells {
		sum = sum.Add(c.Agg())
	}
	own, foreign := cells, func(c *cell.Stored) bool { return c.Class != s.kind.Class() }
	if slices.ContainsFunc(cells, foreign) {
		own = slices.DeleteFunc(slices.Clone(cells), foreign)
	}
	whole, whose := crdt.Whole{}, ours
	if len(own) > 0 {
		whole = s.kind.Whole(own)
	} else {
		// No codec has this name: the client gives kv.ErrType.
		last := cells[len(cells)-1]
		whole = crdt.Whole{Body: last.Body, Codec: fmt.Sprintf("class %c of %s", last.Class, last.Codec), Last: last, Exp: last.ExpMS()}
		whose = another
	}
	e := kv.Entry{
		Key:     key,
		Value:   kv.Raw(whole.Body),
		Version: version(sum.FPLive),
		Updated: time.UnixMilli(whole.Last.Ver.T.Milli()),
		Origin:  s.node.nameOf(whole.Last.Ver.O),
		Codec:   whole.Codec,
		Size:    len(whole.Body),
	}
	if media := whole.Last.Media(); kv.CheckMedia(media) == nil { // it came from anywhere
		e.Media = media
	}
	if whole.Exp != 0 {
		e.Expires = time.UnixMilli(whole.Exp)
	}
	return e, whose
}

// version is the fingerprint of the visible cells of a key.
func version(fp [2]uint64) string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], fp[0])
	binary.BigEndian.PutUint64(b[8:], fp[1])
	return hex.EncodeToString(b[:])
}

// nameOf is who writes as o.
func (n *Node) nameOf(o cell.Origin) string { return n.dir.Load().name(o) }

// bounds is the range of addresses of a selection.
func bounds(sel kv.Selection) (lo, hi string) {
	if sel.Key != "" {
		return cell.KeyRange(sel.Key)
	}
	lo, hi = cell.PrefixRange(sel.Prefix)
	if sel.After != "" {
		_, after := cell.KeyRange(sel.After)
		lo = max(lo, after)
	}
	return lo, hi
}

// Scan is part of kv.Backend. It sees one moment, however long it takes.
func (s *store) Scan(ctx context.Context, sel kv.Selection) iter.Seq2[kv.Entry, error] {
	return func(yield func(kv.Entry, error) bool) {
		if err := s.node.usable(); err != nil {
			yield(kv.Entry{}, err)
			return
		}
		lo, hi := bounds(sel)
		for e, whose := range s.keys(s.node.engine.Root(), lo, hi) {
			if err := kv.Ended(ctx); err != nil {
				yield(kv.Entry{}, err)
				return
			}
			if whose == ours && !yield(e, nil) {
				return
			}
		}
	}
}

// Store is part of kv.Backend.
func (s *store) Store(ctx context.Context, e kv.Entry, w kv.Write) (version string, err error) {
	fx, err := s.node.write(ctx, func(physicalMS int64) engine.Tx {
		return engine.Tx{
			Check:  func(r *engine.Root) error { return s.admits(r, e, w) },
			Writes: s.writes(e, expiry(physicalMS, w.TTL)),
		}
	})
	if err != nil {
		return "", err
	}
	stored, _ := s.look(fx.Root, e.Key)
	return stored.Version, nil
}

// admits reports whether a write may happen on a Root.
func (s *store) admits(r *engine.Root, e kv.Entry, w kv.Write) error {
	present, whose := s.look(r, e.Key)
	switch {
	case !w.Admits(present.Version):
		return kv.ErrConflict
	case whose != absent && present.Codec != e.Codec:
		return fmt.Errorf("%w: the key holds %q, not %q", kv.ErrType, present.Codec, e.Codec)
	}
	return nil
}

func (s *store) writes(e kv.Entry, exp int64) []engine.Write {
	var out []engine.Write
	body, _ := e.Value.(kv.Raw)
	for _, p := range s.kind.Change(nil, body) {
		w := engine.Write{Addr: cell.At(e.Key, p.Sub), Codec: p.Codec, Body: p.Body, Tomb: p.Tomb, Exp: exp}
		if !p.Tomb {
			w.Ext = cell.ExtOfMedia(e.Media)
		}
		out = append(out, w)
	}
	return out
}

// expiry is when a time to live ends that begins now: rounded up, as a key
// never goes before its time.
func expiry(nowMS int64, ttl time.Duration) int64 {
	if ttl <= 0 {
		return 0
	}
	ms := int64((ttl + time.Millisecond - 1) / time.Millisecond)
	return min(nowMS, math.MaxInt64-ms-1) + ms + 1
}

// Drop is part of kv.Backend.
func (s *store) Drop(ctx context.Context, key string, w kv.Write) error {
	_, err := s.node.write(ctx, func(int64) engine.Tx {
		return engine.Tx{
			Check: func(r *engine.Root) error {
				present, whose := s.look(r, key)
				switch {
				case whose == absent:
					return errNothing
				case !w.Admits(present.Version):
					return kv.ErrConflict
				}
				return nil
			},
			Writes: []engine.Write{{Addr: cell.FloorOf(key), Tomb: true}},
		}
	})
	if errors.Is(err, errNothing) {
		return nil
	}
	return err
}

// errNothing ends a commit that has nothing to do.
var errNothing = errors.New("nothing to do")

// write commits as soon as writes are taken.
func (n *Node) write(ctx context.Context, make func(physicalMS int64) engine.Tx) (engine.Effects, error) {
	if err := n.awaitWritable(ctx); err != nil {
		return engine.Effects{}, err
	}
	fx, err := n.commit(make)
	switch {
	case errors.Is(err, hlc.ErrSkew):
		return fx, fmt.Errorf("%w: %w", kv.ErrClockSkew, err)
	case err == nil:
		n.counts.committed(n.log)
	}
	return fx, err
}
