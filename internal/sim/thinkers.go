package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/starlingkv/starling/crdt"
	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/engine"
	"github.com/starlingkv/starling/kv"
)

// thinkers is clients that read a value which merges, think about it, and write
// what they have made of it, as the CAS of a node does: with the kinds of package
// crdt and the rule by which they lose races. They come in every fourth seed,
// write keys of their own, and draw from randomness of their own.
type thinkers struct {
	*drama
	rnd   *rand.Rand
	done  map[place]int      // writes of one life of a node to a key
	added map[cell.Dot]int64 // what each write of the counter that is never deleted added
}

// place is a key on a node, in one of its lives.
type place struct {
	node, life int
	key        string
}

const (
	thoughts    = 120
	longThought = 400 // ms: longer than a write takes to all
	tallyKey    = "cas/tally"
)

// thought is one key that they write, and what they may do with its value.
type thought struct {
	key    string
	kind   crdt.Merging
	change func(rnd *rand.Rand, in any) any
}

var thinking = []thought{
	{"cas/map", crdt.MapOf[string](kv.String), func(rnd *rand.Rand, in any) any {
		m, _ := in.(*crdt.Map[string])
		if m == nil {
			m = &crdt.Map[string]{}
		}
		field := fmt.Sprintf("f%d", rnd.IntN(3))
		if old, there := m.Get(field); there && rnd.IntN(4) == 0 {
			m.Delete(field)
		} else {
			m.Set(field, fmt.Sprintf("%.20s, %d", old, rnd.IntN(1000)))
		}
		return m
	}},
	{"cas/set", crdt.SetOf[string](kv.String), func(rnd *rand.Rand, in any) any {
		s, _ := in.(*crdt.Set[string])
		if s == nil {
			s = &crdt.Set[string]{}
		}
		if e := fmt.Sprintf("e%d", rnd.IntN(3)); s.Has(e) {
			s.Remove(e)
		} else {
			s.Add(e)
		}
		return s
	}},
	{tallyKey, crdt.Counters(), func(rnd *rand.Rand, in any) any {
		c, _ := in.(*crdt.Counter)
		if c == nil {
			c = &crdt.Counter{}
		}
		c.Add(1 + rnd.Int64N(9))
		return c
	}},
	{"cas/max", crdt.Maxima(), func(rnd *rand.Rand, in any) any {
		m, _ := in.(*crdt.Max)
		if m == nil {
			m = &crdt.Max{}
		}
		m.Observe(rnd.Int64N(1000))
		return m
	}},
}

// planThinkers draws when those clients act.
func (d *drama) planThinkers(seed uint64) {
	if seed%4 != 2 {
		return
	}
	d.thinkers = &thinkers{drama: d, rnd: rand.New(rand.NewPCG(seed, 0xca5)), done: map[place]int{}, added: map[cell.Dot]int64{}}
	for range thoughts {
		at := 500*time.Millisecond + time.Duration(d.thinkers.rnd.Int64N(int64(chaosUntil-time.Second)))
		d.After(at, d.thinkers.act)
	}
}

// act lets one client read, and one that thinks less meanwhile do the same on the
// same node, often enough.
func (t *thinkers) act() {
	m := t.nodes[t.rnd.IntN(len(t.nodes))]
	if !m.running() {
		t.Counts.Op("no node runs")
		return
	}
	what := thinking[t.rnd.IntN(len(thinking))]
	if what.key != tallyKey && t.rnd.IntN(10) == 0 {
		t.remove(m, what.key)
		return
	}
	for range 1 + t.rnd.IntN(2) {
		t.think(m, what)
	}
}

func (t *thinkers) remove(m *Node, key string) {
	if t.load.remove(m, key) {
		t.done[place{m.Index, m.life, key}]++
	}
}

// think reads, thinks for a while, and writes unless the race is lost.
func (t *thinkers) think(m *Node, what thought) {
	seen, life := engine.SightOf(m.Root(), m.eng.Origin(), what.key), m.life
	here := place{m.Index, life, what.key}
	before := t.done[here]
	in, err := what.kind.View(seen.Root().Tree, what.key)
	if err != nil {
		panic("sim: a kind does not read what it wrote: " + err.Error())
	}
	had := value(in)
	out := what.change(t.rnd, in)
	plan, err := what.kind.Plan(crdt.Intent{Read: seen.Root().Tree, Key: what.key, Out: out, Self: seen.Self()})
	if err != nil {
		panic("sim: a kind does not plan: " + err.Error())
	}
	if len(plan.Edits) == 0 {
		t.Counts.Op("cas of a kind: nothing to write")
		return
	}
	t.After(time.Duration(t.rnd.IntN(longThought))*time.Millisecond, func() {
		if !m.running() || m.life != life || m.eng.Origin() != seen.Self() {
			return
		}
		tx := engine.Tx{Check: func(now *engine.Root) error {
			lost := seen.Lost(now, plan.Watched)
			if must := t.done[here] > before || !alike(seen.Root(), now, plan.Watched); lost != must {
				t.judge.fail("cas", m, "a write of %q lost its race: %v, where %v is right", what.key, lost, must)
			}
			if lost {
				return errRaced
			}
			return nil
		}}
		for _, e := range plan.Edits {
			tx.Writes = append(tx.Writes, engine.Write{Addr: e.Addr, Codec: e.Codec, Body: e.Body, Tomb: e.Tomb, Observed: e.Observed, Born: e.Born})
		}
		if t.load.commit(m, "cas of a kind", tx) {
			t.done[here]++
			if s, ok := m.Root().Tree.Get(string(plan.Edits[0].Addr)); ok && what.key == tallyKey {
				t.added[s.Dot()] = value(out) - had
			}
		}
	})
}

// value is that of a Counter, and 0 of anything else.
func value(v any) int64 {
	if c, ok := v.(*crdt.Counter); ok {
		return c.Value()
	}
	return 0
}

// alike reports whether two Roots show the same at the addresses that begin so.
func alike(a, b *engine.Root, begin []string) bool {
	shows := func(r *engine.Root, prefix string) (dots []string) {
		for s := range r.Tree.Live(prefix, "") {
			if !strings.HasPrefix(string(s.Addr), prefix) {
				break
			}
			dots = append(dots, fmt.Sprint(s.Addr, s.Dot()))
		}
		return dots
	}
	for _, prefix := range begin {
		if !slices.Equal(shows(a, prefix), shows(b, prefix)) {
			return false
		}
	}
	return true
}
