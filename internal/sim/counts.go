package sim

import (
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/starlingkv/starling/internal/engine"
	"github.com/starlingkv/starling/internal/wire"
)

// Counts says how often each thing occurred: a campaign adds them up, and one
// that never reached something that must be reached is red.
type Counts struct {
	Faults map[string]int
	Frames map[string]int
	Rules  map[string]int // what the engine told, deletes among it
	Ends   map[string]int // how sessions ended
	Ops    map[string]int // what clients did
	Notes  map[string]int // what is counted and is no violation
}

// NewCounts returns Counts of nothing.
func NewCounts() *Counts {
	return &Counts{
		Faults: map[string]int{}, Frames: map[string]int{}, Rules: map[string]int{},
		Ends: map[string]int{}, Ops: map[string]int{}, Notes: map[string]int{},
	}
}

// Fault counts a fault.
func (c *Counts) Fault(name string) { c.Faults[name]++ }

// Frame counts a frame that was sent.
func (c *Counts) Frame(t wire.Type) { c.Frames[t.String()]++ }

// Op counts something a client did, and how it ended.
func (c *Counts) Op(name string) { c.Ops[name]++ }

// Note counts what is worth knowing and is no violation.
func (c *Counts) Note(name string) { c.Notes[name]++ }

// Event counts what an engine told.
func (c *Counts) Event(ev engine.Event) {
	if ev.Kind == engine.EventSession {
		c.Ends[engine.SessionEnd(ev.N).String()]++
		return
	}
	c.Rules[ev.Kind.String()]++
}

// Add adds other to c.
func (c *Counts) Add(other *Counts) {
	for i, m := range other.groups() {
		for k, v := range m.of {
			c.groups()[i].of[k] += v
		}
	}
}

type group struct {
	name string
	of   map[string]int
}

func (c *Counts) groups() []group {
	return []group{
		{"faults", c.Faults},
		{"frames", c.Frames},
		{"rules", c.Rules},
		{"session ends", c.Ends},
		{"client operations", c.Ops},
		{"notes", c.Notes},
	}
}

// Print writes the counts for a person.
func (c *Counts) Print(w io.Writer) {
	for _, g := range c.groups() {
		fmt.Fprintf(w, "%s:\n", g.name)
		for _, k := range slices.Sorted(maps.Keys(g.of)) {
			fmt.Fprintf(w, "  %-34s %12d\n", k, g.of[k])
		}
	}
}

// Total is the sum of one group's counts.
func total(m map[string]int) (n int) {
	for _, v := range m {
		n += v
	}
	return n
}
