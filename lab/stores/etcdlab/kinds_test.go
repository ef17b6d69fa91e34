package etcdlab

import (
	"testing"

	"github.com/starlingkv/starling/crdt"
	"github.com/starlingkv/starling/crdt/crdttest"
	"github.com/starlingkv/starling/kv"
)

// TestKinds keeps values that merge in etcd, whole.
func TestKinds(t *testing.T) {
	t.Parallel()
	c := open(t, Start(t, 1))
	crdttest.Usable(t, func(_ testing.TB, kind crdt.Kind) kv.Client { return c.With(kind.Codec()) })
}
