package natslab_test

import (
	"testing"

	"github.com/starlingkv/starling/crdt"
	"github.com/starlingkv/starling/crdt/crdttest"
	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/natskv"
	"github.com/starlingkv/starling/lab/stores/natslab"
)

// TestKinds keeps values that merge in NATS, whole.
func TestKinds(t *testing.T) {
	c := open(t, natslab.Start(t).URL(), natskv.Bucket(fresh()))
	crdttest.Usable(t, func(_ testing.TB, kind crdt.Kind) kv.Client { return c.With(kind.Codec()) })
}
