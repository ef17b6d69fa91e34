package sim

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/starlingkv/starling/internal/engine"
	"github.com/starlingkv/starling/internal/wire"
)

// TestMustsAreWhole fails when an engine can tell, send or end something that
// no campaign has to meet, without a reason: a rule that nobody demands could
// stay untried for ever.
func TestMustsAreWhole(t *testing.T) {
	rules := []string{}
	for k := engine.EventKind(0); k.String() != "unknown"; k++ {
		if k != engine.EventSession { // told by its ends
			rules = append(rules, k.String())
		}
	}
	ends := []string{}
	for e := engine.SessionEnd(0); e.String() != "unknown"; e++ {
		ends = append(ends, e.String())
	}
	frames := []string{}
	for n := range 256 {
		if name := wire.Type(n).String(); !strings.HasPrefix(name, "TYPE(") {
			frames = append(frames, name)
		}
	}
	demanded := slices.Concat(mustRule, slices.Collect(maps.Keys(spared)))
	for _, c := range []struct {
		what      string
		have, say []string
	}{{"rule", rules, demanded}, {"session end", ends, mustEnd}, {"frame", frames, mustFrame}} {
		if len(c.have) < 8 {
			t.Errorf("%d kinds of %s: the walk does not see them", len(c.have), c.what)
		}
		for _, name := range c.have {
			if !slices.Contains(c.say, name) {
				t.Errorf("%s %s is neither demanded of a campaign nor spared", c.what, name)
			}
		}
		for _, name := range c.say {
			if !slices.Contains(c.have, name) {
				t.Errorf("%s %s is in the lists of musts.go, and there is no such", c.what, name)
			}
		}
		if sorted := slices.Sorted(slices.Values(c.say)); len(slices.Compact(sorted)) != len(c.say) {
			t.Errorf("a %s stands twice in the lists", c.what)
		}
	}
}
