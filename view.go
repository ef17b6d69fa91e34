package starling

import (
	"slices"
	"time"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/engine"
	"github.com/starlingkv/starling/internal/member"
)

// Member is one member of the cluster as this node sees it.
type Member struct {
	Name   string    `json:"name"`
	Addr   string    `json:"addr"`
	State  string    `json:"state"`  // alive, dead or left
	Since  time.Time `json:"since"`  // when that was noticed here
	Origin string    `json:"origin"` // of this run of its process; it marks what it writes
	Self   bool      `json:"self"`
	Native bool      `json:"native"` // it speaks a protocol version that this node speaks
}

// Foreign is another cluster that knocked here and was refused.
type Foreign struct {
	Cluster string    `json:"cluster"`
	Addr    string    `json:"addr"` // where it last came from
	Count   uint64    `json:"count"`
	Last    time.Time `json:"last"`
}

// Members returns the members by name, this node among them, and those that
// went within the last day.
func (n *Node) Members() []Member {
	var out []Member
	for _, m := range n.group.Members() {
		out = append(out, Member{
			Name: m.Name, Addr: m.Addr.String(), State: m.State.String(), Since: m.Since,
			Origin: m.Meta.Origin.String(), Self: m.Name == n.opts.Name, Native: m.Native(),
		})
	}
	return out
}

// Seed is what this node knows of one of its seeds.
type Seed struct {
	Seed    string    `json:"seed"`
	Addrs   []string  `json:"addrs"`            // as of the last answer; none: it names nobody
	Err     string    `json:"error,omitempty"`  // of the last look-up; Addrs are from before then
	Changed time.Time `json:"changed,omitzero"` // when that became so; zero: not looked up yet
}

// Seeds returns what became of the seeds when they were last looked up, in the
// order of Options.
func (n *Node) Seeds() []Seed {
	var out []Seed
	for _, s := range n.group.Seeds() {
		one := Seed{Seed: s.Seed, Changed: s.Changed}
		for _, a := range s.Addrs {
			one.Addrs = append(one.Addrs, a.String())
		}
		if s.Err != nil {
			one.Err = s.Err.Error()
		}
		out = append(out, one)
	}
	return out
}

// directory finds members by their origin. It never changes.
type directory struct {
	byOrigin map[cell.Origin]member.Member // alive, native, others
	names    map[cell.Origin]string        // also of those that went
}

// maxNames bounds the names that are remembered; past it those of members that
// went are forgotten.
const maxNames = 100_000

// name is the name of the member that writes as o, or o itself.
func (d *directory) name(o cell.Origin) string {
	if name, known := d.names[o]; known {
		return name
	}
	return o.String()
}

// refreshView tells the engine who lives.
func (n *Node) refreshView() {
	old := n.dir.Load()
	d := &directory{byOrigin: make(map[cell.Origin]member.Member), names: make(map[cell.Origin]string)}
	if len(old.names) < maxNames {
		for o, name := range old.names {
			d.names[o] = name
		}
	}
	var peers []engine.Peer
	for _, m := range n.group.Members() {
		if m.Meta.Origin == 0 {
			continue
		}
		d.names[m.Meta.Origin] = m.Name
		if m.Name == n.opts.Name || m.State != member.Alive || !m.Native() {
			continue
		}
		d.byOrigin[m.Meta.Origin] = m
		peers = append(peers, engine.Peer{Name: m.Name, Origin: m.Meta.Origin})
	}
	n.dir.Store(d)
	if !slices.Equal(peers, n.peers) {
		n.peers = peers
		n.step(engine.PeersChanged{View: engine.NewView(peers)})
		for _, f := range n.early.take(d) {
			n.step(engine.Received{Frame: f})
		}
	}
}
