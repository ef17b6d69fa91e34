package cell

import (
	"slices"
	"testing"
)

func TestAddrParts(t *testing.T) {
	for _, tc := range []struct {
		key, sub string
		class    byte
	}{
		{"k", "", 0},
		{"k", "r", 'r'},
		{"/registry/x", "mfield\x001", 'm'},
		{"clé", "e\x00", 'e'},
	} {
		a := At(tc.key, tc.sub)
		if a.Key() != tc.key || a.Sub() != tc.sub || a.Class() != tc.class {
			t.Errorf("At(%q, %q): got %q, %q, class %q", tc.key, tc.sub, a.Key(), a.Sub(), a.Class())
		}
		if a.Floor() != FloorOf(tc.key) {
			t.Errorf("%q: Floor %q, want %q", a, a.Floor(), FloorOf(tc.key))
		}
		if a.IsFloor() != (tc.sub == "") {
			t.Errorf("%q: IsFloor %v", a, a.IsFloor())
		}
	}
	if FloorOf("k") != At("k", "") {
		t.Error("FloorOf is not At with no sub")
	}
	if odd := Addr("no separator"); odd.Key() != "no separator" || odd.Class() != 0 || odd.IsFloor() {
		t.Errorf("%q: %q, class %d", odd, odd.Key(), odd.Class())
	}
}

func TestRanges(t *testing.T) {
	all := []Addr{
		At("a", ""), At("a", "m\xff"), At("a!", "r"), At("ab", ""), At("ab", "r"), At("abc", "r"), At("ac", "r"), At("b", "r"),
	}
	if !slices.IsSorted(all) {
		t.Fatal("addresses do not sort as keys do, the Floor first")
	}
	in := func(lo, hi string) (out []string) {
		for _, a := range all {
			if string(a) >= lo && (hi == "" || string(a) < hi) {
				out = append(out, string(a))
			}
		}
		return out
	}
	if got := in(KeyRange("a")); len(got) != 2 {
		t.Errorf("cells of a: got %q", got)
	}
	if got := in(PrefixRange("ab")); len(got) != 3 {
		t.Errorf("cells under ab: got %q", got)
	}
	if got := in(PrefixRange("")); len(got) != len(all) {
		t.Errorf("all cells: got %q", got)
	}
	if lo, hi := PrefixRange("a\xff\xff"); lo != "a\xff\xff" || hi != "b" {
		t.Errorf("got [%q, %q)", lo, hi)
	}
	if _, hi := PrefixRange("\xff"); hi != "" {
		t.Errorf("got hi %q", hi)
	}
}
