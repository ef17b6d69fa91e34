package crdttest_test

import (
	"testing"

	"github.com/starlingkv/starling/crdt"
	"github.com/starlingkv/starling/crdt/crdttest"
	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/memkv"
)

func TestKindsOnMemory(t *testing.T) {
	mem := memkv.New(kv.Bytes)
	defer mem.Close()
	crdttest.Usable(t, func(_ testing.TB, kind crdt.Kind) kv.Client { return mem.With(kind.Codec()) })
}
