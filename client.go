package starling

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/starlingkv/starling/crdt"
	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/engine"
	"github.com/starlingkv/starling/internal/hlc"
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
		c.face = flat{kv.NewBase(&store{node: n, kind: kind}, kind.Codec(), n.log), n}
	case crdt.Merging:
		c.face = newMerger(n, kind)
	default:
		panic(fmt.Sprintf("starling: no client for the kind %v", kind))
	}
	if n.opts.Tuning.CheckViews {
		c.face = n.check(c.face, kind)
	}
	return n.track(c)
}

// track has Stats count what a client does.
func (n *Node) track(c *Client) *Client {
	n.clientsMu.Lock()
	n.clients = append(n.clients, c)
	n.clientsMu.Unlock()
	return c
}

// flat is the face of kinds whose values are read and written whole.
type flat struct {
	*kv.Base
	node *Node
}

// CAS is part of kv.Client. In Starting it waits before it reads, so that f
// sees what the cluster holds.
func (c flat) CAS(ctx context.Context, key string, f func(in any) (out any, retry bool, err error)) error {
	if !c.node.takesWrites() {
		ctx = context.WithValue(ctx, forWriting{}, true)
	}
	return c.Base.CAS(ctx, key, f)
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

// nameOf is who writes as o.
func (n *Node) nameOf(o cell.Origin) string { return n.dir.Load().name(o) }

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
	stored := s.find(fx.Root, e.Key)
	return stored.version(), nil
}

// admits reports whether a write may happen on a Root.
func (s *store) admits(r *engine.Root, e kv.Entry, w kv.Write) error {
	present := s.find(r, e.Key)
	switch {
	case !present.admits(w):
		return kv.ErrConflict
	case present.whose() != absent && present.codec() != e.Codec:
		return fmt.Errorf("%w: the key holds %q, not %q", kv.ErrType, present.codec(), e.Codec)
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
	floor := s.node.floorOf(key)
	_, err := s.node.write(ctx, func(int64) engine.Tx {
		return engine.Tx{
			Check: func(r *engine.Root) error {
				present := s.find(r, key)
				switch {
				case present.whose() == absent:
					return errNothing
				case !present.admits(w):
					return kv.ErrConflict
				}
				return nil
			},
			Writes: []engine.Write{floor},
		}
	})
	if errors.Is(err, errNothing) {
		return nil
	}
	return err
}

// floorOf is the delete of a key. What it takes to know of a key of very many
// cells is looked up here, without the lock.
func (n *Node) floorOf(key string) engine.Write {
	return engine.Write{Addr: cell.FloorOf(key), Tomb: true, Survey: engine.NewSurvey(n.engine.Root(), key)}
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
