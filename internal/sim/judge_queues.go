package sim

import "github.com/starlingkv/starling/internal/engine"

// smallQueues gives some seeds so little room for what waits to be pushed or
// told that every burst of writes overflows it.
func (d *drama) smallQueues(seed uint64) {
	if seed%4 == 1 {
		d.Config.MaxFresh = 1 + int(seed/4%8)
	}
}

// judgeQueues judges I6: what waited to be sent, asked for or fetched is gone
// when everybody agrees and nobody writes. What stays in a queue then would
// stay for ever, and no bound would hold in the end.
func (j *judge) judgeQueues() {
	if j.idle.moved >= j.idle.from {
		return
	}
	for _, n := range j.d.nodes {
		if s := n.eng.Stats(); s.Fresh != 0 || s.Pending != 0 {
			j.fail("I6", n, "in sync and idle, with %d addresses to be pushed and %d cells or bodies waited for", s.Fresh, s.Pending)
		}
	}
}

// bounded judges I6 after each step of a node whose queue is small: it is never
// longer than it may be, and when it overflows every peer is to be asked. One of
// them may be asked in that very step. What an overflow kept from being handed on
// is asked for, and sent again: the count of payloads (I9) ends there.
func (j *judge) bounded(n *Node, fx *engine.Effects) {
	most := j.d.Config.MaxFresh
	if most == 0 {
		return
	}
	s := n.eng.Stats()
	if s.Fresh > most {
		j.fail("I6", n, "%d addresses wait to be pushed, %d may", s.Fresh, most)
	}
	for _, ev := range fx.Events {
		if ev.Kind != engine.EventPushOverflow {
			continue
		}
		j.calm.over = true
		if s.Dirty < len(n.view)-1 {
			j.fail("I6", n, "an overflow has marked %d of %d peers", s.Dirty, len(n.view))
		}
	}
}
