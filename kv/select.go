package kv

import (
	"cmp"
	"iter"
)

// Selection says which keys are meant: the one Key if it is set, else those with the Prefix that are greater than After;
// and what is wanted of them.
type Selection struct {
	Key      string
	Prefix   string
	After    string
	KeysOnly bool // of an entry only the key is looked at
	NoValues bool // of an entry the value is not looked at, nor a Size that only the value would tell
}

// EventsOption is an option of Events: [OneKey] or [NoValues].
type EventsOption interface{ events(sel *Selection) }

// EntriesOption is an option of Entries: [NoValues].
type EntriesOption interface{ entries(sel *Selection) }

// ReadOption is an option of both Events and Entries.
type ReadOption interface {
	EventsOption
	EntriesOption
}

// OneKey lets Events tell of one key only, which stands in place of the prefix. What happens to other keys costs such a
// watch nothing, on a network neither.
func OneKey() EventsOption { return oneKey{} }

// NoValues lets entries and events come without their values, which are not looked at: whether they decode is not told.
// The Size of a value whose store would have to make it whole to know it is zero.
func NoValues() ReadOption { return noValues{} }

type oneKey struct{}

func (oneKey) events(sel *Selection) { sel.Key, sel.Prefix = cmp.Or(sel.Key, sel.Prefix), "" }

type noValues struct{}

func (noValues) events(sel *Selection)  { sel.NoValues = true }
func (noValues) entries(sel *Selection) { sel.NoValues = true }

// EventsSelection resolves what Events was given, for the authors of clients: [ErrBadKey] if [OneKey] was given with what
// is no key.
func EventsSelection(prefix string, opts ...EventsOption) (Selection, error) {
	sel := Selection{Prefix: prefix}
	for _, o := range opts {
		if _, one := o.(oneKey); one {
			if err := CheckKey(prefix); err != nil {
				return sel, err
			}
		}
		o.events(&sel)
	}
	return sel, nil
}

// EntriesSelection resolves what Entries was given, for the authors of clients.
func EntriesSelection(prefix, after string, opts ...EntriesOption) Selection {
	sel := Selection{Prefix: prefix, After: after}
	for _, o := range opts {
		o.entries(&sel)
	}
	return sel
}

// noEvents is a watch that cannot be.
func noEvents(prefix string, err error) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) { yield(Event{}, Wrap("watch", prefix, err)) }
}
