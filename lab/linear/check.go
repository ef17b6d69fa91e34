package linear

import (
	"fmt"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"
)

// model is one key: a register that begins absent, with reads, writes, removes, and swaps that need what they have seen. A
// call of unknown outcome ends never, so it can stand behind everything that anybody saw.
var model = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		of := make(map[string][]porcupine.Operation)
		for _, o := range history {
			key := o.Input.(call).key
			of[key] = append(of[key], o)
		}
		var parts [][]porcupine.Operation
		for _, part := range of {
			parts = append(parts, part)
		}
		return parts
	},
	Init: func() any { return "" },
	Step: func(state, input, _ any) (bool, any) {
		switch c := input.(call); {
		case c.kind == read:
			return c.saw == state, state
		case c.kind == swap && c.saw != state:
			return c.unknown(), state // one that was acknowledged saw what it replaced
		default:
			return true, c.wrote
		}
	},
	DescribeOperation: func(input, _ any) string { return describe(input.(call)) },
}

func describe(c call) string {
	switch c.kind {
	case read:
		return fmt.Sprintf("get %s -> %q", c.key, c.saw)
	case swap:
		return fmt.Sprintf("cas %s %q -> %q", c.key, c.saw, c.wrote)
	case remove:
		return "delete " + c.key
	}
	return fmt.Sprintf("put %s %q", c.key, c.wrote)
}

// checkWithin bounds the search for an order.
const checkWithin = 60 * time.Second

// Check returns nil if the calls on each key can have happened one after the other, each while it ran.
func (h *History) Check() error { return check(h.all()) }

// CheckNode is Check for the history of one node of a cluster that gossips, whose clients are given: the writes of the
// others reach it at any time after they began, or never.
func (h *History) CheckNode(clients ...int) error {
	var seen []call
	for _, c := range h.all() {
		own := slices.Contains(clients, c.client)
		if !own {
			c.end = forever
			if c.kind == swap {
				c.kind = write // it was compared elsewhere
			}
		}
		if own || c.kind != read {
			seen = append(seen, c)
		}
	}
	return check(seen)
}

func check(calls []call) error {
	var operations []porcupine.Operation
	for _, c := range calls {
		operations = append(operations, porcupine.Operation{ClientId: c.client, Input: c, Call: c.begin, Return: c.end})
	}
	switch result := porcupine.CheckOperationsTimeout(model, operations, checkWithin); result {
	case porcupine.Ok:
		return nil
	case porcupine.Unknown:
		return fmt.Errorf("no order of %d calls was found within %v, and none was excluded", len(calls), checkWithin)
	default:
		return fmt.Errorf("not linearizable: %s", culprit(calls))
	}
}

// culprit names a key whose calls have no order.
func culprit(calls []call) string {
	of := make(map[string][]porcupine.Operation)
	for _, c := range calls {
		of[c.key] = append(of[c.key], porcupine.Operation{ClientId: c.client, Input: c, Call: c.begin, Return: c.end})
	}
	for key, operations := range of {
		if porcupine.CheckOperationsTimeout(model, operations, checkWithin) == porcupine.Illegal {
			return fmt.Sprintf("%d calls on %s have no order", len(operations), key)
		}
	}
	return "together"
}
