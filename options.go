package starling

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/starlingkv/starling/crdt"
	"github.com/starlingkv/starling/internal/member"
	"github.com/starlingkv/starling/internal/wire"
)

// Options says what node to open. The zero value is a node of its own on the
// loopback address.
type Options struct {
	// Name is this node's name in its cluster, unique among the living. Default:
	// the host's name and a random part.
	Name string `yaml:"name" json:"name"`

	// Cluster names the cluster: up to 64 of [a-z0-9.-]. Clusters never merge: what
	// bears another name is refused. It must be set unless Bind is a loopback
	// address; there the default is "local".
	Cluster string `yaml:"cluster" json:"cluster"`

	// Bind is the host:port for gossip, UDP and TCP. The host is an IP address or
	// localhost; an empty one is every address. Default: a free port of 127.0.0.1.
	Bind string `yaml:"bind" json:"bind"`

	// Advertise is the address that other members are told, IP or IP:port.
	// Default: that of Bind, or a private address of this host.
	Advertise string `yaml:"advertise" json:"advertise"`

	// Seeds say where other members are: host:port or dns+host:port (all addresses
	// of a name), dnssrv+name or dnssrvnoa+name (SRV records; both look up the
	// addresses of their targets), file+path (a seed per line). They are looked up
	// anew whenever they are called, for ever. The own address among them does no
	// harm.
	Seeds []string `yaml:"seeds" json:"seeds"`

	// JoinWait is how long the node waits for a seed to answer before it runs
	// alone, and goes on trying. Default 5 s; negative: it does not wait.
	JoinWait time.Duration `yaml:"join_wait" json:"join_wait"`

	// RequireJoin makes the node fail if no seed answers within JoinWait.
	RequireJoin bool `yaml:"require_join" json:"require_join"`

	// Resolver looks up the names in Seeds. Nil: as the host does.
	Resolver Resolver `yaml:"-" json:"-"`

	// Kinds is the registry of kinds by id, for those that meet a value without
	// knowing its type: pages, HTTP, command lines. What is not in it stays opaque,
	// and is kept and forwarded.
	Kinds []crdt.Kind `yaml:"-" json:"-"`

	// Logger takes the node's log. Nil discards it.
	Logger *slog.Logger `yaml:"-" json:"-"`

	// OnConflict is told when another node's write, made without knowledge of an
	// acknowledged write of this process, replaced it. Calls come one after the
	// other, on a goroutine of their own.
	OnConflict func(Conflict) `yaml:"-" json:"-"`

	// Tuning changes what hardly anybody should.
	Tuning Tuning `yaml:"tuning" json:"tuning"`
}

// Tuning is how fast the parts of a node work. What is zero takes its default.
// All nodes of a cluster should agree on it.
type Tuning struct {
	ProbeInterval  time.Duration `yaml:"probe_interval" json:"probe_interval"`   // how often one member is asked whether it lives: 1 s
	ProbeTimeout   time.Duration `yaml:"probe_timeout" json:"probe_timeout"`     // how long it may take to answer: 500 ms
	GossipInterval time.Duration `yaml:"gossip_interval" json:"gossip_interval"` // of news about members: 200 ms
	SuspicionMult  int           `yaml:"suspicion_mult" json:"suspicion_mult"`   // probe intervals between suspect and dead, in small clusters: 4
	Rejoin         time.Duration `yaml:"rejoin" json:"rejoin"`                   // between two calls of seeds and dead members: 10 s
	SyncInterval   time.Duration `yaml:"sync_interval" json:"sync_interval"`     // between two comparisons with a random member: 30 s
	TombstoneAge   time.Duration `yaml:"tombstone_age" json:"tombstone_age"`     // how long a delete is kept before it is only remembered: 10 min
	CheckViews     bool          `yaml:"check_views" json:"check_views"`         // find callers that write into values they share with the store, at a cost: false
}

// Resolver looks up names; *net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
	LookupSRV(ctx context.Context, service, proto, name string) (string, []*net.SRV, error)
}

// Conflict is an acknowledged write of this process that a concurrent write of
// another node displaced. The other value stands; read it and decide.
type Conflict struct {
	Key    string
	Winner string // the node whose write stands, by name if it is known
}

const (
	defaultCluster  = "local"
	defaultBind     = "127.0.0.1:0"
	defaultJoinWait = 5 * time.Second
	maxName         = 128
)

// Validate returns everything that is wrong with the options.
func (o *Options) Validate() error {
	var errs []error
	bind, err := o.bind()
	if err != nil {
		errs = append(errs, err)
	}
	if _, err := o.advertise(); err != nil {
		errs = append(errs, err)
	}
	switch {
	case o.Cluster != "" && !wire.ValidLabel(o.Cluster):
		errs = append(errs, fmt.Errorf("cluster %q: want 1 to %d of [a-z0-9.-]", o.Cluster, wire.MaxLabel))
	case o.Cluster == "" && bind.IsValid() && !bind.Addr().IsLoopback():
		errs = append(errs, fmt.Errorf("cluster: must be set, as %v is not a loopback address", bind.Addr()))
	}
	if len(o.Name) > maxName || !utf8.ValidString(o.Name) || strings.ContainsFunc(o.Name, isBlank) {
		errs = append(errs, fmt.Errorf("name %q: want at most %d bytes without blanks", o.Name, maxName))
	}
	for _, s := range o.Seeds {
		if err := member.CheckSeed(s); err != nil {
			errs = append(errs, err)
		}
	}
	errs = append(errs, o.Tuning.check())
	seen := map[string]bool{}
	for _, k := range o.Kinds {
		if k == nil {
			errs = append(errs, errors.New("kinds: nil"))
			continue
		}
		if seen[k.ID()] {
			errs = append(errs, fmt.Errorf("kinds: %q twice", k.ID()))
		}
		seen[k.ID()] = true
	}
	return errors.Join(errs...)
}

// check returns what is wrong with the tuning.
func (t *Tuning) check() error {
	var errs []error
	for _, p := range options {
		if !p.tuned {
			continue
		}
		switch v := p.field(&Options{Tuning: *t}).(type) {
		case *time.Duration:
			if *v < 0 || *v > maxInterval {
				errs = append(errs, fmt.Errorf("%s %v: want 0, for the default, to %v", p.name, *v, maxInterval))
			}
		case *int:
			if *v < 0 || *v > maxMult {
				errs = append(errs, fmt.Errorf("%s %d: want 0, for the default, to %d", p.name, *v, maxMult))
			}
		}
	}
	if t.TombstoneAge > 0 && t.TombstoneAge < minTombstoneAge {
		errs = append(errs, fmt.Errorf("tombstone_age %v: want 0, for the default, or at least %v", t.TombstoneAge, minTombstoneAge))
	}
	return errors.Join(errs...)
}

// The largest intervals and multiples that make sense; what is past them is a
// mistake, such as a number of nanoseconds.
const (
	maxInterval = 24 * time.Hour
	maxMult     = 1000

	// minTombstoneAge is the shortest age that makes sense: collection looks twice
	// in each epoch, and an epoch is a tenth of the age.
	minTombstoneAge = time.Second
)

func isBlank(r rune) bool { return r <= ' ' || r == 0x7f || r == '/' }

// bind is the address to listen at.
func (o *Options) bind() (netip.AddrPort, error) {
	at := o.Bind
	if at == "" {
		at = defaultBind
	}
	host, port, err := net.SplitHostPort(at)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("bind %q: %w", at, err)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("bind %q: not a port", at)
	}
	ip := netip.IPv6Unspecified()
	switch host {
	case "":
	case "localhost":
		ip = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	default:
		if ip, err = netip.ParseAddr(host); err != nil {
			return netip.AddrPort{}, fmt.Errorf("bind %q: not an IP address", at)
		}
	}
	return netip.AddrPortFrom(ip, uint16(n)), nil
}

// advertise is the address to be told, or what of it is known.
func (o *Options) advertise() (netip.AddrPort, error) {
	if o.Advertise == "" {
		return netip.AddrPort{}, nil
	}
	if a, err := netip.ParseAddrPort(o.Advertise); err == nil {
		return a, nil
	}
	ip, err := netip.ParseAddr(o.Advertise)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("advertise %q: want an IP address, with or without a port", o.Advertise)
	}
	return netip.AddrPortFrom(ip, 0), nil
}

// withDefaults fills what is zero.
func (o Options) withDefaults(random uint32) Options {
	if o.Name == "" {
		host, err := os.Hostname()
		if err != nil {
			host = "node"
		}
		o.Name = fmt.Sprintf("%s-%08x", host, random)
	}
	if o.Cluster == "" {
		o.Cluster = defaultCluster
	}
	if o.JoinWait == 0 {
		o.JoinWait = defaultJoinWait
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}
