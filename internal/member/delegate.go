package member

import (
	"slices"

	"github.com/hashicorp/memberlist"

	"github.com/starlingkv/starling/internal/wire"
)

// delegate answers memberlist's questions about a Group.
type delegate struct{ g *Group }

var (
	_ memberlist.Delegate         = delegate{}
	_ memberlist.ConflictDelegate = delegate{}
)

// NodeMeta is part of memberlist.Delegate.
func (d delegate) NodeMeta(int) []byte { return *d.g.meta.Load() }

// NotifyMsg is part of memberlist.Delegate.
func (d delegate) NotifyMsg(frame []byte) { d.g.cfg.OnPacket(frame) }

// GetBroadcasts is part of memberlist.Delegate: nothing rides on its gossip.
func (d delegate) GetBroadcasts(int, int) [][]byte { return nil }

// LocalState is part of memberlist.Delegate: sessions exchange state.
func (d delegate) LocalState(bool) []byte { return nil }

// MergeRemoteState is part of memberlist.Delegate.
func (d delegate) MergeRemoteState([]byte, bool) {}

// NotifyConflict is part of memberlist.ConflictDelegate.
func (d delegate) NotifyConflict(existing, other *memberlist.Node) {
	if existing.Name == d.g.cfg.Name {
		d.g.cfg.OnNameTaken(other.Address())
	}
}

func metaLeaving(meta []byte) []byte { return wire.AppendLeaving(slices.Clone(meta)) }
