// Package crdttest holds a kind of values that merge to its laws.
//
// Check plays one random case on real engines: a few replicas write one key,
// delete it now and then, and hear of each other's writes late, twice and in any
// order. Whatever the case, the same must be true in the end: who has heard of
// the same writes holds the same value and the same fingerprint; what a write
// changed is all that another must hear of; a value survives its codec and
// writing what is there writes nothing; a reader finds what was written; and
// whoever changes a value that he was given changes nothing that is stored.
//
// Laws plays 2,000 cases. A kind is given with a Gen, which makes values.
package crdttest

import (
	"math/rand/v2"
	"testing"

	"github.com/starlingkv/starling/crdt"
)

// Gen makes the next value of a key out of the present one, which is nil if
// there is none; it may change what it is given and return that. A nil value
// leaves the key as it is.
type Gen func(r *rand.Rand, present any) any

// Cases is how many cases Laws plays.
const Cases = 2000

// Laws plays Cases cases, and fails the test with the first that breaks a law.
func Laws(t testing.TB, kind crdt.Kind, gen Gen) {
	t.Helper()
	for seed := range uint64(Cases) {
		if err := Check(seed, kind, gen); err != nil {
			t.Fatalf("%s, case %d: %v", kind.ID(), seed, err)
		}
	}
}
