package kv

import (
	"errors"
	"fmt"
	"time"
)

// Capabilities says what a store promises beyond the six methods.
type Capabilities struct {
	LinearizableCAS bool          // of concurrent CAS in the whole cluster each success saw all earlier ones
	OrderedWatch    bool          // a watch tells changes of different keys in the order in which they happened
	TTL             bool          // values can expire
	TTLSlack        time.Duration // how long after its TTL a value may still be seen
	Persistent      bool          // values survive a restart of every process
	MaxValue        int           // bytes of the largest encoded value
	Media           bool          // the media type of a value is kept
}

// Capable is a store that says what it can.
type Capable interface{ Capabilities() Capabilities }

// Capability names one promise, for [Require].
type Capability string

// The capabilities that can be required.
const (
	LinearizableCAS Capability = "linearizable"
	OrderedWatch    Capability = "ordered-watch"
	Expiry          Capability = "ttl"
	Persistent      Capability = "persistent"
	MediaTypes      Capability = "media-types"
)

// Has reports whether the store makes the promise. An unknown one it does not make.
func (c Capabilities) Has(need Capability) bool {
	switch need {
	case LinearizableCAS:
		return c.LinearizableCAS
	case OrderedWatch:
		return c.OrderedWatch
	case Expiry:
		return c.TTL
	case Persistent:
		return c.Persistent
	case MediaTypes:
		return c.Media
	}
	return false
}

// Require returns nil if the client makes every promise asked for, else an error that names those it does not make and
// wraps [ErrNotLinearizable] for [LinearizableCAS], [ErrUnsupported] for the others. A client that is not [Capable]
// promises nothing. Call it once, at the start.
func Require(c Client, need ...Capability) error {
	var has Capabilities
	if capable, ok := As[Capable](c); ok {
		has = capable.Capabilities()
	}
	var missing []error
	for _, n := range need {
		switch {
		case has.Has(n):
		case n == LinearizableCAS:
			missing = append(missing, ErrNotLinearizable)
		default:
			missing = append(missing, fmt.Errorf("%w: %s", ErrUnsupported, n))
		}
	}
	return Wrap("require", "", errors.Join(missing...))
}

// CASStats counts the CAS calls of a client.
type CASStats struct {
	Attempts  uint64 // every try
	Successes uint64 // tries that changed something
	Failures  uint64 // calls that returned an error
}

// Stats counts what a client did since it was made.
type Stats struct {
	CAS          CASStats
	Watchers     int    // watches that run now
	DecodeErrors uint64 // values that a watch could not decode, once per version
}

// Counted is a store that counts.
type Counted interface{ Stats() Stats }
