package starling

import (
	"testing"

	"github.com/starlingkv/starling/crdt"
)

// TestTombstonesDoNotExpire: a delete with a time to live is a delete.
func TestTombstonesDoNotExpire(t *testing.T) {
	w := writesOf(crdt.Plan{Edits: []crdt.Edit{{Tomb: true}, {Body: []byte("v")}}}, 5)
	if w[0].Exp != 0 || w[1].Exp != 5 {
		t.Errorf("the tombstone expires at %d, the value at %d", w[0].Exp, w[1].Exp)
	}
}
