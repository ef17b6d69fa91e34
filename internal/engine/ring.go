package engine

import "github.com/starlingkv/starling/internal/cell"

type ring struct{ peers []Peer }

func newRing(name string) *ring         { return &ring{} }
func (r *ring) set(peers []Peer)        { r.peers = peers }
func (r *ring) known(o cell.Origin) bool { return true }
func (r *ring) count() int              { return len(r.peers) }
