package main

import (
	"testing"

	"github.com/starlingkv/starling/lab/dskit/bench/systemtest"
)

func TestSystem(t *testing.T) { systemtest.Run(t, system{}) }

func TestRegister(t *testing.T) {
	older, newer := &register{value: []byte("older"), tick: 1}, &register{value: []byte("newer"), tick: 2}
	for _, c := range []struct {
		into, from *register
		want       string
		changed    bool
	}{{older, newer, "newer", true}, {newer, older, "newer", false}, {newer, newer, "newer", false}} {
		got := c.into.Clone().(*register)
		change, err := got.Merge(c.from, false)
		if err != nil || string(got.value) != c.want || (change != nil) != c.changed {
			t.Errorf("%s with %s: got %s, change %v, %v", c.into.value, c.from.value, got.value, change, err)
		}
	}
	b, err := registerCodec{}.Encode(newer)
	if err != nil {
		t.Fatal(err)
	}
	v, err := registerCodec{}.Decode(b)
	if got, ok := v.(*register); err != nil || !ok || string(got.value) != "newer" || got.tick != 2 {
		t.Errorf("got %+v, %v; want what was encoded", v, err)
	}
	if _, err := (registerCodec{}).Decode([]byte{0}); err == nil {
		t.Error("a register without a tick was decoded")
	}
}
