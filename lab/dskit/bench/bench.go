// Package bench measures key-value stores that live inside their users' processes
// and agree by gossip: starling, and others beside it on the same work.
//
// A store under test implements System. A program for it is one call of Main; it
// plays one topic and prints a Report. cmd/bench runs the programs of two stores
// by turns, each topic in a process of its own, and puts the medians side by side.
//
// The work is the same by construction: keys and values follow from a number, and
// the state that every node ends with goes into the Report as a hash. A run whose
// nodes do not end with the same fails.
//
// What a store does by itself after a call returned belongs to the call: processor
// time is that of the whole process, garbage collection included.
package bench

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
)

// A System is one store under test.
type System interface {
	Name() string
	// Start starts a node that joins the node at the address; none, if it is empty.
	Start(name, join string) (Node, error)
	// Pair makes two replicas that can exchange their states without a network.
	Pair() (Pair, error)
	// StartRegistry is Start for a node that holds a table.
	StartRegistry(name, join string) (Registry, error)
	// Receiver makes a replica that holds a table of n instances as of tick 1.
	Receiver(n, tokens int) (Receiver, error)
}

// A Node is one running replica.
type Node interface {
	Addr() string
	Members() int // those it takes for alive, itself included
	Keys() int    // how many keys it holds: not a List

	Get(key string) []byte // nil if absent
	CAS(key string, f func(in []byte) (out []byte)) error
	List(prefix string) []string

	// Load puts keys into a node that has no peers, in the way that costs the store
	// least now and later.
	Load(keys []string, generation int) error

	// WatchKey and WatchPrefix block until ctx ends or f returns false.
	WatchKey(ctx context.Context, key string, f func(v []byte) bool)
	WatchPrefix(ctx context.Context, prefix string, f func(key string, v []byte) bool)

	Traffic() Traffic
	Close() error
}

// Traffic is what a node has sent since it started: payloads, without the headers
// of UDP or TCP, without connections being made and ended.
type Traffic struct {
	Packets, Bytes float64 // in packets, probes among them
	All            float64 // the bytes of packets and of streams, which carry full syncs and sessions
}

// A Pair is two replicas, both with the same contents at first.
type Pair interface {
	// Load gives both the keys.
	Load(keys []string, generation int) error
	// Change writes on the first replica only.
	Change(keys []string, generation int) error
	// Exchange reconciles the two, once, both ways.
	Exchange() (Exchange, error)
	// Replicas are the two, to be read.
	Replicas() [2]Reader
	Close() error
}

// Exchange is what one reconciliation carried, in both directions together.
type Exchange struct {
	Bytes int
	Legs  int // messages, or runs of messages in one direction
	Same  int // the legs after which both held the same; those that follow settle what each knows of the other
}

// Reader is a replica as far as its contents go.
type Reader interface {
	List(prefix string) []string
	Get(key string) []byte
}

// ValueSize is the size of every value.
const ValueSize = 100

// Value is the value of a key in its n-th generation: bytes that do not compress.
func Value(key string, generation int) []byte {
	sum := sha256.Sum256([]byte(key))
	rnd := rand.NewPCG(binary.BigEndian.Uint64(sum[:]), uint64(generation))
	b := make([]byte, 0, ValueSize+8)
	for len(b) < ValueSize {
		b = binary.BigEndian.AppendUint64(b, rnd.Uint64())
	}
	return b[:ValueSize]
}

// Keys names n keys under a prefix.
func Keys(prefix string, n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("%s%07d", prefix, i)
	}
	return keys
}

// State is a hash of all that a replica holds.
func State(r Reader) string {
	keys := r.List("")
	slices.Sort(keys)
	h := sha256.New()
	for _, k := range keys {
		v := r.Get(k)
		fmt.Fprintf(h, "%d %s %d ", len(k), k, len(v))
		h.Write(v)
	}
	return fmt.Sprintf("%d keys %s", len(keys), hex.EncodeToString(h.Sum(nil)[:8]))
}
