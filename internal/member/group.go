// Package member is the membership of a cluster, and the sockets between its
// members.
//
// hashicorp/memberlist does joining, failure detection, encryption and labels;
// its broadcast queue and its exchange of user state stay empty. Its transport
// is ours: one Socket carries its packets and streams and starling's own
// streams, which begin with a byte that memberlist never sends. What bears the
// label of another cluster is refused before memberlist sees it, counted and
// named.
//
// A Group joins at once, and goes on calling seeds and members that died for as
// long as it lives: memberlist alone does not heal a split that lasted.
package member

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"
)

// Config is what a Group is made of. The callbacks must be set, may be called
// concurrently and before Open returns, and must not block.
type Config struct {
	Name      string
	Cluster   string // the label of all packets and streams
	Bind      netip.AddrPort
	Advertise netip.AddrPort // zero: from Bind; a zero port: that of Bind
	Seeds     []string       // see CheckSeed; looked up anew at each join
	Resolver  Resolver       // of the seeds; nil: that of the host
	Network   Network        // nil: that of the host
	Log       *slog.Logger
	Timing    Timing

	// Meta makes the metadata to be told to all members, given the address that
	// they are told.
	Meta func(netip.AddrPort) []byte
	// OnPacket takes a frame that came in a packet; it must not keep the slice.
	OnPacket func(frame []byte)
	// OnStream takes a stream that was opened to this node; the label is checked
	// and read. It runs on a goroutine of its own, may take its time, and closes
	// the stream.
	OnStream func(net.Conn)
	// Refusal makes what a starling stream of another cluster is answered before it
	// is closed.
	Refusal func() []byte
	// OnChange is told that Members may have changed.
	OnChange func()
	// OnNameTaken is told that another live member, at addr, has this node's name.
	OnNameTaken func(addr string)
}

// Timing is how fast membership works. What is zero takes memberlist's default
// for a local network.
type Timing struct {
	ProbeInterval  time.Duration
	ProbeTimeout   time.Duration
	GossipInterval time.Duration
	SuspicionMult  int
	Rejoin         time.Duration // between two joins once settled: 10 s
	RejoinUnready  time.Duration // between two joins until then: 1 s
}

// Group is this node's membership of its cluster. It is safe for concurrent
// use.
type Group struct {
	cfg       Config
	advertise netip.AddrPort
	list      *memberlist.Memberlist
	transport *transport
	view      *view
	seeds     *seeds
	linger    linger
	meta      atomic.Pointer[[]byte]

	answered atomic.Pointer[time.Time] // when a join last reached somebody
	settled  atomic.Bool               // joins may take their time
	rounds   atomic.Uint64             // joins so far
	asks     chan netip.AddrPort       // who is to be called next
	stop     func()                    // ends the joining
	stopped  chan struct{}             // the joining has ended
	closed   atomic.Bool
}

// Open binds the socket, begins to listen and to join, and returns.
func Open(cfg Config) (*Group, error) {
	if cfg.Network == nil {
		cfg.Network = hostNetwork{}
	}
	called, err := newSeeds(cfg.Seeds, cfg.Resolver, cfg.Log)
	if err != nil {
		return nil, err
	}
	sock, err := cfg.Network.Listen(cfg.Bind)
	if err != nil {
		return nil, fmt.Errorf("bind %v: %w", cfg.Bind, err)
	}
	advertise, err := advertised(cfg.Advertise, sock.Addr())
	if err != nil {
		_ = sock.Close()
		return nil, err
	}
	g := &Group{
		cfg: cfg, advertise: advertise, view: newView(cfg.OnChange), seeds: called, linger: newLinger(),
		asks: make(chan netip.AddrPort, 1), stopped: make(chan struct{}),
	}
	g.transport = &transport{
		sock: sock, label: cfg.Cluster, advertise: advertise, onPacket: cfg.OnPacket, onStream: cfg.OnStream,
		refusal: cfg.Refusal, foreign: newForeigners(cfg.Cluster, cfg.Log), slots: slots{member: g.view.livesAt},
	}
	if g.transport.head, err = memberlist.AddLabelHeaderToPacket(nil, cfg.Cluster); err != nil {
		_ = sock.Close()
		return nil, err
	}
	meta := cfg.Meta(advertise)
	g.meta.Store(&meta)
	g.transport.run()
	g.linger.follow(func() { g.list, err = memberlist.Create(g.listConfig()) })
	if err != nil {
		_ = g.transport.Shutdown()
		g.linger.wait()
		return nil, fmt.Errorf("membership: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	g.stop = stop
	go g.run(ctx)
	return g, nil
}

func (g *Group) listConfig() *memberlist.Config {
	c := memberlist.DefaultLANConfig()
	c.Name = g.cfg.Name
	c.Label = g.cfg.Cluster
	c.Transport = g.transport
	c.BindAddr = g.transport.sock.Addr().Addr().String()
	c.BindPort = int(g.transport.sock.Addr().Port())
	c.AdvertisePort = int(g.advertise.Port())
	c.Delegate = delegate{g}
	c.Events = g.view
	c.Conflict = delegate{g}
	c.EnableCompression = false // it costs a large allocation per packet and our frames do not shrink
	c.DeadNodeReclaimTime = time.Second
	c.PushPullInterval = viewsEvery
	c.Logger = bridgeLog(g.cfg.Log)
	t := g.cfg.Timing
	set := func(to *time.Duration, d time.Duration) {
		if d > 0 {
			*to = d
		}
	}
	set(&c.ProbeInterval, t.ProbeInterval)
	set(&c.ProbeTimeout, t.ProbeTimeout)
	set(&c.GossipInterval, t.GossipInterval)
	if t.SuspicionMult > 0 {
		c.SuspicionMult = t.SuspicionMult
	}
	return c
}

// viewsEvery is how often members exchange their views; memberlist makes it
// longer in clusters of more than 32. Who missed the gossip about a member, as
// happens when hundreds join at once, knows nothing of it until then.
const viewsEvery = 10 * time.Second

// Addr is the address that other members are told.
func (g *Group) Addr() netip.AddrPort { return g.advertise }

// Members returns all members by name, this node among them, and those of the
// last day that are gone.
func (g *Group) Members() []Member { return g.view.list() }

// Foreign returns the other clusters that were refused, by name.
func (g *Group) Foreign() []Foreign { return g.transport.foreign.list() }

// Seeds returns what is known of the seeds, in the order of Config.
func (g *Group) Seeds() []Seed { return g.seeds.list() }

// Refused is how many streams were closed because too many were open, or
// because they did not say in time what they are.
func (g *Group) Refused() uint64 { return g.transport.refused.Load() }

// LastAnswer is when a join last reached another node; what is given, if none
// has.
func (g *Group) LastAnswer(never time.Time) time.Time {
	if at := g.answered.Load(); at != nil {
		return *at
	}
	return never
}

// Settle tells that this node works: from now on joins are less frequent.
func (g *Group) Settle() { g.settled.Store(true) }

// Send sends a frame in a packet; it may get lost.
func (g *Group) Send(to Member, frame []byte) error {
	return g.transport.sendFrame(frame, to)
}

// Dial opens a stream to a member.
func (g *Group) Dial(ctx context.Context, to Member) (net.Conn, error) {
	at := to.Addr
	if to.Meta.Port != 0 {
		at = netip.AddrPortFrom(at.Addr(), to.Meta.Port)
	}
	return g.transport.open(ctx, at)
}

// SetMeta tells all members new metadata. It waits until some have it, at most
// for the limit.
func (g *Group) SetMeta(meta []byte, limit time.Duration) error {
	g.meta.Store(&meta)
	return g.list.UpdateNode(limit)
}

// Leave says goodbye. The group still sends and receives; Close ends that.
func (g *Group) Leave(limit time.Duration) error {
	if g.closed.Load() {
		return errors.New("membership is closed")
	}
	g.stop()
	<-g.stopped
	// Two messages, as memberlist does not tell goodbyes from deaths.
	err := g.SetMeta(metaLeaving(*g.meta.Load()), limit/2)
	if e := g.list.Leave(limit / 2); e != nil {
		return e
	}
	return err
}

// Close ends the membership without goodbye, closes every stream and returns
// when nothing of it runs any more. It must not be called by a callback.
func (g *Group) Close() error {
	if g.closed.Swap(true) {
		return nil
	}
	g.transport.hush()
	g.stop()
	g.transport.conns.closeAll()
	<-g.stopped
	err := g.list.Shutdown()
	g.linger.wait()
	return err
}
