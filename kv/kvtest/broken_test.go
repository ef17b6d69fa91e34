package kvtest

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// brokens are all broken clients.
var brokens = slices.Concat(
	brokenReads, brokenCAS, brokenWatches, brokenEvents, brokenOnly, brokenDecode,
	brokenLife, brokenLost, brokenLimits, brokenVersions, brokenMedia, brokenTTL, brokenForms,
)

// TestUnbentPasses is the control: the client that the broken ones are made of is right, by the same recorder.
func TestUnbentPasses(t *testing.T) {
	for _, c := range checks {
		if failures := record(t, suiteOf(nil), c); len(failures) != 0 {
			t.Errorf("%s fails on a client that is right: %s", c.name, strings.Join(failures, "; "))
		}
	}
}

// longest bounds one failure: a page.
const longest = 2000

// TestBrokenFail proves that the suite bites: each broken client fails the check of the sentence it breaks.
func TestBrokenFail(t *testing.T) {
	if len(brokens) < 20 {
		t.Fatalf("only %d broken clients", len(brokens))
	}
	found := map[string]bool{}
	for _, b := range brokens {
		t.Run(strings.ReplaceAll(b.name, " ", "_"), func(t *testing.T) {
			s := suiteOf(b.how)
			for _, name := range b.fails {
				i := slices.IndexFunc(checks, func(c check) bool { return c.name == name })
				if i < 0 {
					t.Fatalf("no check %s", name)
				}
				c := checks[i]
				if c.clock == realClock {
					s.Within = 300 * time.Millisecond
				}
				failures := record(t, s, c)
				if len(failures) == 0 {
					t.Errorf("%s does not find out a client that %s", name, b.name)
					continue
				}
				for _, f := range failures {
					if len(f) > longest {
						t.Errorf("%s: a failure of %d bytes: %.100s", name, len(f), f)
					}
				}
				found[name] = true
				t.Logf("%s: %s", name, failures[0])
			}
		})
	}
	for _, c := range checks {
		if !found[c.name] {
			t.Errorf("no broken client fails %s: it may be a check that cannot fail", c.name)
		}
	}
}
