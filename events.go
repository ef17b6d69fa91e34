package starling

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/engine"
)

// eventLevels are the events that somebody may want to read about; the others
// are counted.
var eventLevels = map[engine.EventKind]slog.Level{
	engine.EventReady:           slog.LevelInfo,
	engine.EventUnknownOrigin:   slog.LevelDebug,
	engine.EventUnknownType:     slog.LevelDebug,
	engine.EventMisplacedFrame:  slog.LevelDebug,
	engine.EventPeerRefused:     slog.LevelInfo,
	engine.EventRefusedSkew:     slog.LevelInfo,
	engine.EventRefusedSize:     slog.LevelInfo,
	engine.EventConflict:        slog.LevelDebug,
	engine.EventConflictUnknown: slog.LevelDebug,
	engine.EventClash:           slog.LevelWarn,
	engine.EventDirty:           slog.LevelDebug,
	engine.EventSession:         slog.LevelDebug,
	engine.EventNonConvergent:   slog.LevelWarn,
	engine.EventReturner:        slog.LevelWarn,
	engine.EventPushOverflow:    slog.LevelWarn,
	engine.EventFetchFailed:     slog.LevelDebug,
	engine.EventContextLimit:    slog.LevelWarn,
	engine.EventManyPurged:      slog.LevelWarn,
	engine.EventRefusedContext:  slog.LevelInfo,
	engine.EventClockDrift:      slog.LevelWarn,
}

// tells reports whether happened does anything about a kind of events. What it
// passes over is made for each cell that comes.
func tells(kind engine.EventKind) bool {
	_, told := eventLevels[kind]
	return told
}

// happened takes one event of the engine.
func (n *Node) happened(ev engine.Event) {
	switch ev.Kind {
	case engine.EventReady:
		n.life.ready()
		n.group.Settle()
		if ev.Text != engine.ReadyUnanswered {
			n.life.sync()
		}
	case engine.EventSession:
		if end := engine.SessionEnd(ev.N); end == engine.EndComplete || end == engine.EndInSync {
			n.life.sync()
		}
	case engine.EventUnknownOrigin:
		n.strange(ev.Peer)
	case engine.EventConflict:
		n.tells.add(Conflict{Key: ev.Addr.Key(), Winner: n.dir.Load().name(ev.Peer)})
	case engine.EventClash:
		n.renamed()
	}
	level, told := eventLevels[ev.Kind]
	if !told || !n.log.Enabled(n.ctx, level) {
		return
	}
	attrs := []slog.Attr{slog.String("event", ev.Kind.String())}
	if ev.Peer != 0 {
		attrs = append(attrs, slog.String("peer", n.dir.Load().name(ev.Peer)))
	}
	if ev.Addr != "" {
		attrs = append(attrs, slog.String("key", ev.Addr.Key()))
	}
	if ev.N != 0 {
		attrs = append(attrs, slog.Uint64("n", ev.N))
	}
	if ev.Text != "" {
		attrs = append(attrs, slog.String("text", ev.Text))
	}
	n.log.LogAttrs(context.Background(), level, "engine", attrs...)
}

// strange notes that somebody sends who is no member: the view is behind.
func (n *Node) strange(o cell.Origin) {
	select {
	case n.strangers <- o:
	default: // one at a time; the others will send again
	}
}

// renameLimit is how long the other members may take to hear of a new origin.
const renameLimit = 5 * time.Second

// renamed tells the other members this node's new origin.
func (n *Node) renamed() {
	n.spawn(func() {
		n.mu.Lock()
		o := n.engine.Origin()
		n.mu.Unlock()
		if err := n.group.SetMeta(metaOf(o, n.group.Addr()), renameLimit); err != nil {
			n.log.Warn("new origin not told", "origin", o.String(), "err", err)
		}
	})
}

// maxTells bounds the conflicts that wait for OnConflict to return.
const maxTells = 100_000

// conflicts wait here to be told.
type conflicts struct {
	ready chan struct{}

	mu    sync.Mutex // guards what follows
	queue []Conflict
	lost  uint64 // over the bound
}

func (c *conflicts) add(one Conflict) {
	c.mu.Lock()
	if len(c.queue) < maxTells {
		c.queue = append(c.queue, one)
	} else {
		c.lost++
	}
	c.mu.Unlock()
	poke(c.ready)
}

func (c *conflicts) take() []Conflict {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := c.queue
	c.queue = nil
	return out
}

// tellConflicts calls OnConflict, one call after the other.
func (n *Node) tellConflicts() {
	for {
		select {
		case <-n.ctx.Done():
			return
		case <-n.tells.ready:
		}
		for _, c := range n.tells.take() {
			if n.opts.OnConflict != nil {
				n.opts.OnConflict(c)
			}
		}
	}
}
