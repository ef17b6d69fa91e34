package httpkv_test

import (
	"testing"

	"github.com/starlingkv/starling/crdt"
	"github.com/starlingkv/starling/crdt/crdttest"
	"github.com/starlingkv/starling/kv"
)

func TestKinds(t *testing.T) {
	_, srv := serve(t)
	c := open(t, srv.URL, kv.Bytes)
	crdttest.Usable(t, func(_ testing.TB, kind crdt.Kind) kv.Client { return c.With(kind.Codec()) })
}
