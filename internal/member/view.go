package member

import (
	"cmp"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/starlingkv/starling/internal/wire"
)

// State is what membership says of a member.
type State uint8

// The states of a member.
const (
	Alive State = iota + 1
	Dead        // it does not answer, and did not say goodbye
	Left        // it said goodbye
)

// String returns alive, dead or left.
func (s State) String() string {
	switch s {
	case Alive:
		return "alive"
	case Dead:
		return "dead"
	case Left:
		return "left"
	}
	return "unknown"
}

// Member is one member as this node sees it.
type Member struct {
	Name  string
	Addr  netip.AddrPort
	State State
	Since time.Time // of State
	Meta  wire.Meta // the zero Meta: no starling node, or of a format unknown here

	crc uint8 // memberlist's protocol version: whether packets carry a checksum
}

// Native reports whether the member speaks the protocol of this version.
func (m Member) Native() bool {
	return m.Meta.Origin != 0 && m.Meta.Min <= wire.Version && wire.Version <= m.Meta.Max
}

const (
	// rememberDead is how long a member that died is called again.
	rememberDead = 24 * time.Hour
	// maxGone bounds the members that are remembered although they are gone.
	maxGone = 4096
)

// view is the members, as memberlist's events told them. memberlist's own list
// hands out nodes that it goes on changing.
type view struct {
	changed func()

	mu    sync.Mutex // guards what follows
	all   map[string]Member
	hosts map[netip.Addr]int // how many of all are alive there
}

func newView(changed func()) *view {
	return &view{changed: changed, all: make(map[string]Member), hosts: make(map[netip.Addr]int)}
}

var _ memberlist.EventDelegate = (*view)(nil)

// NotifyJoin is part of memberlist.EventDelegate. As memberlist holds its lock,
// it only takes note.
func (v *view) NotifyJoin(n *memberlist.Node) { v.note(n, Alive) }

// NotifyUpdate is part of memberlist.EventDelegate.
func (v *view) NotifyUpdate(n *memberlist.Node) { v.note(n, Alive) }

// NotifyLeave is part of memberlist.EventDelegate. It is told of the dead and
// of those who left alike; the last metadata tells them apart.
func (v *view) NotifyLeave(n *memberlist.Node) {
	if wire.Leaving(n.Meta) {
		v.note(n, Left)
		return
	}
	v.note(n, Dead)
}

func (v *view) note(n *memberlist.Node, s State) {
	ip, _ := netip.AddrFromSlice(n.Addr)
	m := Member{
		Name: n.Name, Addr: netip.AddrPortFrom(ip.Unmap(), n.Port),
		State: s, Since: time.Now(), crc: n.PMax,
	}
	m.Meta, _ = wire.ParseMeta(n.Meta) // what is none of ours is simply not native
	v.mu.Lock()
	old, found := v.all[m.Name]
	if found && old.State == s {
		m.Since = old.Since
	}
	v.all[m.Name] = m
	if found && old.State == Alive {
		if v.hosts[old.Addr.Addr()]--; v.hosts[old.Addr.Addr()] == 0 {
			delete(v.hosts, old.Addr.Addr())
		}
	}
	if s == Alive {
		v.hosts[m.Addr.Addr()]++
	}
	v.mu.Unlock()
	v.changed()
}

// livesAt reports whether a member is alive at an address.
func (v *view) livesAt(a netip.Addr) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.hosts[a] > 0
}

// list returns the members by name, and forgets those long gone.
func (v *view) list() []Member {
	now := time.Now()
	v.mu.Lock()
	defer v.mu.Unlock()
	var live, gone []Member
	for name, m := range v.all {
		switch {
		case m.State == Alive:
			live = append(live, m)
		case now.Sub(m.Since) > rememberDead:
			delete(v.all, name)
		default:
			gone = append(gone, m)
		}
	}
	if len(gone) > maxGone {
		slices.SortFunc(gone, func(a, b Member) int { return b.Since.Compare(a.Since) })
		for _, m := range gone[maxGone:] {
			delete(v.all, m.Name)
		}
		gone = gone[:maxGone]
	}
	all := append(live, gone...)
	slices.SortFunc(all, func(a, b Member) int { return cmp.Compare(a.Name, b.Name) })
	return all
}
