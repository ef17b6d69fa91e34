package starling

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/starlingkv/starling/internal/engine"
	"github.com/starlingkv/starling/kv"
)

// State is where a node is in its life.
type State int

// The states of a node.
const (
	Starting State = iota // it answers reads from what is here; writes wait
	Running
	Leaving // everything still works; others are told, see Leave
	Closed
	Failed // its name is taken, or no seed answered and Options.RequireJoin is set; see Node.Err
)

var stateNames = [...]string{Starting: "starting", Running: "running", Leaving: "leaving", Closed: "closed", Failed: "failed"}

// String returns the name of the state in lower case.
func (s State) String() string {
	if s < 0 || int(s) >= len(stateNames) {
		return "unknown"
	}
	return stateNames[s]
}

// errNoSeed is why a node with RequireJoin failed.
var errNoSeed = errors.New("no seed answered")

// life is the state of a node and who waits for it.
type life struct {
	writable chan struct{} // closed when writes need not wait any more: Running, Failed or Closed
	synced   chan struct{} // closed by the first complete session
	flush    chan struct{} // closed when all was sent after Leave
	ended    chan struct{} // closed with the node

	mu       sync.Mutex // guards what follows
	state    State
	err      error // why it failed
	isOpen   bool  // writable is closed
	isSynced bool
	isFlush  bool
	isEnded  bool

	takenBy    string // who has our name, as last told
	takenSince time.Time
	takenLast  time.Time
}

func (l *life) init() {
	l.writable, l.synced = make(chan struct{}), make(chan struct{})
	l.flush, l.ended = make(chan struct{}), make(chan struct{})
}

// now returns the state, and why if it is Failed.
func (l *life) now() (State, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state, l.err
}

// turn changes the state from one of those given. It reports whether it did.
func (l *life) turn(to State, from ...State) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range from {
		if l.state == f {
			l.set(to)
			return true
		}
	}
	return false
}

// set changes the state, under mu.
func (l *life) set(to State) {
	l.state = to
	if to != Starting && to != Leaving {
		closeOnce(l.writable, &l.isOpen)
	}
	if to == Closed {
		closeOnce(l.ended, &l.isEnded)
	}
}

func (l *life) fail(err error) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state != Starting {
		return false
	}
	l.err = err
	l.set(Failed)
	return true
}

// ready notes that the gate is open.
func (l *life) ready() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state == Starting {
		l.set(Running)
	}
	closeOnce(l.writable, &l.isOpen) // also when it leaves before it ran
}

func (l *life) sync() {
	l.mu.Lock()
	defer l.mu.Unlock()
	closeOnce(l.synced, &l.isSynced)
}

func (l *life) flushed() {
	l.mu.Lock()
	defer l.mu.Unlock()
	closeOnce(l.flush, &l.isFlush)
}

func closeOnce(c chan struct{}, done *bool) {
	if !*done {
		*done = true
		close(c)
	}
}

// nameTaken notes that another member has this node's name. It reports whether
// that is news.
func (l *life) nameTaken(addr string) (news bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	news = addr != l.takenBy || now.Sub(l.takenLast) > takenGap
	if now.Sub(l.takenLast) > takenGap {
		l.takenSince = now
	}
	l.takenBy, l.takenLast = addr, now
	return news
}

// takenGap is how long nothing is heard of a namesake until it counts as gone.
const takenGap = 5 * time.Second

// namesakeShown is how long Stats shows a namesake after it was last heard of: a
// node that runs hears of it when views are exchanged, which is seldom.
const namesakeShown = 2 * time.Minute

// namesake tells who has our name, and since when without a gap; nobody, if
// that was last told longer ago than some time.
func (l *life) namesake(ago time.Duration) (addr string, since time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.takenBy == "" || time.Since(l.takenLast) > ago {
		return "", time.Time{}
	}
	return l.takenBy, l.takenSince
}

// nameTaken takes what membership says of another member of this name.
func (n *Node) nameTaken(addr string) {
	if n.life.nameTaken(addr) {
		n.log.Warn("another member has this node's name", "addr", addr)
	}
}

// State returns where the node is in its life.
func (n *Node) State() State {
	s, _ := n.life.now()
	return s
}

// Err returns why the node is Failed, else nil. It wraps kv.ErrNameTaken or
// kv.ErrNotReady.
func (n *Node) Err() error {
	_, err := n.life.now()
	return err
}

// WaitSynced returns when the node has completed its first session with another
// member, so that it holds what the cluster holds; at once if it has no seeds.
func (n *Node) WaitSynced(ctx context.Context) error {
	if n.State() == Closed {
		return kv.ErrClosed
	}
	synced := n.life.synced
	writable := n.life.writable
	for synced != nil || writable != nil {
		select {
		case <-synced:
			synced = nil
		case <-writable:
			if err := n.Err(); err != nil {
				return err
			}
			writable = nil
		case <-n.life.ended:
			return kv.ErrClosed
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", kv.ErrNotReady, kv.Ended(ctx))
		}
	}
	return nil
}

// usable returns why reads are not answered any more.
func (n *Node) usable() error {
	select {
	case <-n.life.ended:
		return kv.ErrClosed
	default:
		return nil
	}
}

// takesWrites reports that awaitWritable would not wait.
func (n *Node) takesWrites() bool {
	select {
	case <-n.life.writable:
		return n.usable() == nil && n.Err() == nil
	default:
		return false
	}
}

// awaitWritable waits until writes are taken.
func (n *Node) awaitWritable(ctx context.Context) error {
	select {
	case <-n.life.writable:
	default:
		select {
		case <-n.life.writable:
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", kv.ErrNotReady, kv.Ended(ctx))
		}
	}
	if err := n.usable(); err != nil {
		return err
	}
	return n.Err()
}

// gateLook is how often a node that starts looks whether it may run.
const gateLook = 50 * time.Millisecond

// namesakeLimit is how long a namesake may be about to be found dead, as this
// process may be its successor: a few times the suspicion of a cluster of this
// size, which is memberlist's.
func (n *Node) namesakeLimit() time.Duration {
	t := n.opts.Tuning
	interval, mult := cmp.Or(t.ProbeInterval, time.Second), cmp.Or(t.SuspicionMult, 4)
	scale := max(1, math.Log10(float64(len(n.group.Members()))))
	return time.Duration(3*float64(mult)*scale*float64(interval)) + 3*time.Second
}

// gate decides what the engine cannot: whether no seed has answered for
// JoinWait, and whether the name is taken.
func (n *Node) gate() {
	look := time.NewTicker(gateLook)
	defer look.Stop()
	for n.State() == Starting || n.State() == Leaving {
		if addr, since := n.life.namesake(takenGap); addr != "" && time.Since(since) > n.namesakeLimit() {
			n.failed(fmt.Errorf("%w: %q is at %s", kv.ErrNameTaken, n.opts.Name, addr))
			return
		}
		if time.Since(n.group.LastAnswer(n.began)) >= n.opts.JoinWait {
			if n.opts.RequireJoin {
				n.failed(fmt.Errorf("%w: %w", kv.ErrNotReady, errNoSeed))
				return
			}
			n.step(engine.OpenGate{Why: engine.ReadyUnanswered})
			return
		}
		select {
		case <-look.C:
		case <-n.life.writable:
			return
		case <-n.ctx.Done():
			return
		}
	}
}

func (n *Node) failed(err error) {
	if n.life.fail(err) {
		n.log.Error("node failed", "err", err)
	}
}

const (
	// flushLimit is how long Leave pushes what is fresh.
	flushLimit = 2 * time.Second
	// goodbyeLimit is how long Leave waits for somebody to hear the goodbye.
	goodbyeLimit = 3 * time.Second
)

// Leave pushes what others do not have yet, for up to two seconds, and tells
// them that this node goes. Everything still works afterwards, but writes reach
// nobody: they are counted in Stats.Unsent, as is what there was no time to
// push, although a comparison may have shown it to others. Close follows.
func (n *Node) Leave(ctx context.Context) error {
	if !n.life.turn(Leaving, Starting, Running) {
		if err := n.usable(); err != nil {
			return err
		}
		return n.Err()
	}
	n.mu.Lock()
	n.leaving = true
	n.mu.Unlock()
	n.step(engine.Leave{})
	limit := time.NewTimer(flushLimit)
	defer limit.Stop()
	select {
	case <-n.life.flush:
	case <-limit.C:
		left := n.unsent()
		n.counts.unsent.Add(uint64(left))
		n.log.Warn("left with writes unsent", "count", left)
	case <-n.life.ended:
		return kv.ErrClosed
	case <-ctx.Done():
	}
	n.counts.left.Store(true)
	goodbye := goodbyeLimit
	if end, bounded := ctx.Deadline(); bounded {
		goodbye = min(goodbye, time.Until(end))
	}
	if err := n.group.Leave(max(goodbye, time.Millisecond)); err != nil {
		return fmt.Errorf("goodbye: %w", err)
	}
	n.log.Info("node left")
	return kv.Ended(ctx)
}

func (n *Node) unsent() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.engine.Unsent()
}

// Close ends the node: every watch ends, every call gives kv.ErrClosed, and
// nothing of it runs any more when it returns. To the others it has died,
// unless Leave went before. It must not be called by OnConflict.
func (n *Node) Close() error {
	if !n.life.turn(Closed, Starting, Running, Leaving, Failed) {
		return nil
	}
	n.hub.wakeAll()
	n.tasksMu.Lock()
	n.closing = true
	n.tasksMu.Unlock()
	n.cancel()
	err := n.group.Close()
	n.tasks.Wait()
	n.checkViews()
	if err != nil {
		return fmt.Errorf("starling: close: %w", err)
	}
	return nil
}
