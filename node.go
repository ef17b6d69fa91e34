package starling

import (
	"context"
	crand "crypto/rand"
	"encoding/binary"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/starlingkv/starling/crdt"
	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/engine"
	"github.com/starlingkv/starling/internal/hlc"
	"github.com/starlingkv/starling/internal/member"
	"github.com/starlingkv/starling/internal/wire"
)

// Node is one member of a cluster, and all of its state. It is safe for
// concurrent use.
type Node struct {
	opts  Options
	log   *slog.Logger
	began time.Time // the monotonic clock counts from here
	codec *wire.Codec
	group *member.Group

	mu       sync.Mutex // guards the engine and what follows
	engine   *engine.Engine
	wake     time.Duration // when the engine wants to be called
	sleeping time.Duration // until when the loop sleeps
	leaving  bool

	life  life
	dir   atomic.Pointer[directory]
	inbox *inbox
	hub   hub
	tells conflicts

	viewChanged chan struct{}
	kick        chan struct{}
	strangers   chan cell.Origin // who sends and is no member, as far as is known here
	fetches     chan struct{}    // one element per FETCH that is served
	peers       []engine.Peer    // as the engine was last told; the loop's own
	early       early            // the loop's own, too
	counts      counts

	ctx     context.Context // ends with the node
	cancel  context.CancelFunc
	tasksMu sync.Mutex // guards closing, and adding to tasks
	closing bool
	tasks   sync.WaitGroup

	clientsMu sync.Mutex // guards clients
	clients   []*Client
}

// maxFetches bounds the FETCH streams that are served at once.
const maxFetches = 16

// lookupLimit is how long Open looks up whether the only seed is itself.
const lookupLimit = 500 * time.Millisecond

// Open starts a node and returns while it is Starting: it listens, and has
// begun to join. Close ends it.
func Open(opts Options) (*Node, error) {
	if err := opts.Validate(); err != nil {
		return nil, fmt.Errorf("starling: options: %w", err)
	}
	seed := newSeed()
	opts = opts.withDefaults(binary.BigEndian.Uint32(seed[:]))
	n := newNode(opts, seed)
	if err := n.open(nil); err != nil {
		n.cancel()
		return nil, fmt.Errorf("starling: %w", err)
	}
	return n, nil
}

// newSeed is 256 random bits of the system.
func newSeed() (seed [32]byte) {
	_, _ = crand.Read(seed[:]) // it never fails: it ends the process
	return seed
}

func newNode(opts Options, seed [32]byte) *Node {
	n := &Node{
		opts:        opts,
		log:         opts.Logger.With("node", opts.Name),
		began:       time.Now(),
		inbox:       newInbox(maxInbox),
		viewChanged: make(chan struct{}, 1),
		kick:        make(chan struct{}, 1),
		strangers:   make(chan cell.Origin, 1),
		fetches:     make(chan struct{}, maxFetches),
		wake:        math.MaxInt64,
		sleeping:    math.MaxInt64,
	}
	n.life.init()
	n.tells.ready = make(chan struct{}, 1)
	n.ctx, n.cancel = context.WithCancel(context.Background())
	random := rand.New(rand.NewChaCha8(seed))
	age := opts.Tuning.TombstoneAge
	n.engine = engine.New(engine.Config{
		Cluster: opts.Cluster,
		Name:    opts.Name,
		Origin:  newOrigin(random),
		Rand:    random,
		Tells:   tells,
		// The gate is opened from here: see gate.
		JoinWait:     math.MaxInt64 / 2,
		SyncInterval: opts.Tuning.SyncInterval,
		// What goes with the age keeps its proportion to it; zero is the default of each.
		MinTombstoneAge: age, TombstoneEpoch: age / 10, AppliedAge: age / 10, StaleAge: age / 2,
	})
	n.codec = wire.New(n.engine.Hasher())
	n.dir.Store(&directory{names: map[cell.Origin]string{n.engine.Origin(): opts.Name}})
	return n
}

func newOrigin(random *rand.Rand) cell.Origin {
	for {
		if o := cell.Origin(random.Uint64()); o != 0 {
			return o
		}
	}
}

// open binds the sockets, those of the host if network is nil, and starts the
// goroutines.
func (n *Node) open(network member.Network) error {
	bind, err := n.opts.bind()
	if err != nil {
		return err
	}
	advertise, err := n.opts.advertise()
	if err != nil {
		return err
	}
	t := n.opts.Tuning
	origin := n.engine.Origin()
	n.group, err = member.Open(member.Config{
		Name: n.opts.Name, Cluster: n.opts.Cluster, Bind: bind, Advertise: advertise,
		Seeds: n.opts.Seeds, Resolver: n.opts.Resolver, Network: network, Log: n.log,
		Timing: member.Timing{
			ProbeInterval: t.ProbeInterval, ProbeTimeout: t.ProbeTimeout, GossipInterval: t.GossipInterval,
			SuspicionMult: t.SuspicionMult, Rejoin: t.Rejoin,
		},
		Meta:        func(at netip.AddrPort) []byte { return metaOf(origin, at) },
		OnPacket:    n.inbox.put,
		OnStream:    n.serve,
		Refusal:     n.refusal,
		OnChange:    func() { poke(n.viewChanged) },
		OnNameTaken: n.nameTaken,
	})
	if err != nil {
		return err
	}
	n.step(engine.Tick{})
	n.openAlone()
	n.spawn(n.run)
	n.spawn(n.gate)
	n.spawn(n.tellConflicts)
	n.log.Info("node open", "cluster", n.opts.Cluster, "addr", n.group.Addr().String(), "origin", origin.String())
	return nil
}

// openAlone lets the node run at once if its seeds name nobody else.
func (n *Node) openAlone() {
	ctx, cancel := context.WithTimeout(n.ctx, lookupLimit)
	defer cancel()
	if n.group.Alone(ctx) {
		n.step(engine.OpenGate{Why: engine.ReadyAlone})
	}
}

func metaOf(o cell.Origin, at netip.AddrPort) []byte {
	return wire.AppendMeta(nil, wire.Meta{Origin: o, Min: wire.Version, Max: wire.Version, Port: at.Port()})
}

// spawn starts a goroutine that Close waits for. It reports false when the node
// closes.
func (n *Node) spawn(f func()) bool {
	n.tasksMu.Lock()
	defer n.tasksMu.Unlock()
	if n.closing {
		return false
	}
	n.tasks.Go(f)
	return true
}

// Name is the name of this node in its cluster.
func (n *Node) Name() string { return n.opts.Name }

// Cluster is the name of the cluster.
func (n *Node) Cluster() string { return n.opts.Cluster }

// Addr is the address, IP:port, that other members are told. It can be a seed.
func (n *Node) Addr() string { return n.group.Addr().String() }

// Kinds is the registry of Options.
func (n *Node) Kinds() []crdt.Kind { return n.opts.Kinds }

// reading reads the clocks.
func (n *Node) reading() hlc.Reading {
	now := time.Now()
	return hlc.Reading{Wall: now.UnixMilli(), Mono: now.Sub(n.began)}
}
