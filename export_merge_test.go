package starling

// Writes is how many cells the node has written.
func (n *Node) Writes() uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	e, ok := n.engine.Root().Ctx.Entry(n.engine.Origin())
	if !ok {
		return 0
	}
	return e.Spans[len(e.Spans)-1].From + e.Spans[len(e.Spans)-1].Len - 1
}
