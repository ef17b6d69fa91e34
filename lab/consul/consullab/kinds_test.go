package consullab

import (
	"testing"

	"github.com/starlingkv/starling/crdt"
	"github.com/starlingkv/starling/crdt/crdttest"
	"github.com/starlingkv/starling/kv"
)

// TestKinds keeps values that merge in Consul, whole.
func TestKinds(t *testing.T) {
	t.Parallel()
	c := Start(t).open(t)
	crdttest.Usable(t, func(_ testing.TB, kind crdt.Kind) kv.Client { return c.With(kind.Codec()) })
}
