package main

import (
	"strings"
	"testing"
	"time"

	"github.com/starlingkv/starling"
)

// TestStatusNamesTheLost lets one of three members die: what is left agrees, and does not pass for the whole. One that
// leaves in order, or is forgotten, is missed by nobody.
func TestStatusNamesTheLost(t *testing.T) {
	quick := starling.Tuning{ProbeInterval: 100 * time.Millisecond, ProbeTimeout: 50 * time.Millisecond, GossipInterval: 20 * time.Millisecond, SuspicionMult: 2}
	n1 := open(t, starling.Options{Name: "n1", Tuning: quick})
	seeds := []string{n1.node.Addr()}
	n2 := open(t, starling.Options{Name: "n2", Seeds: seeds, Tuning: quick})
	n3 := open(t, starling.Options{Name: "n3", Seeds: seeds, Tuning: quick})
	shows := func(text string, args ...string) {
		t.Helper()
		eventually(t, n1, func(r result) bool { return r.code == exitOK && strings.Contains(r.out, text) }, args...)
	}
	shows("agreement  3 of 3 agree", "status")
	if err := n3.node.Close(); err != nil { // without a goodbye
		t.Fatal(err)
	}
	shows("agreement  2 of 3 members seen in the last 24 h; the 2 agree", "status")
	shows("lost       n3: it died", "status")
	shows("OK n1: 2 of 3 members seen in the last 24 h; the 2 agree", "check")
	shows(`"lost":["n3"]`, "check", "-o", "jsonl")
	if got := run(t, n1.url, "", nil, "check", "--members", "3"); got.code != exitCheck {
		t.Errorf("check --members 3: exit code %d, %s", got.code, got.out)
	}
	shows("n3", "members", "forget", "n3")
	shows("agreement  2 of 2 agree", "status")
	if err := n2.node.Leave(t.Context()); err != nil {
		t.Fatal(err)
	}
	shows("agreement  1 of 1 agree", "status")
}

// TestStatusOfSomeWhoDiffer counts those who were lost and those who differ apart.
func TestStatusOfSomeWhoDiffer(t *testing.T) {
	s := goodStatus()
	s.Agreement.Agree, s.Agreement.Lost = 1, []string{"n3"}
	_, addr := fixture(t, s)
	if got := run(t, addr, "", nil, "status"); got.code != exitCheck || !strings.Contains(got.out, "2 of 3 members seen in the last 24 h; 1 of 2 agree") {
		t.Errorf("exit code %d, %s", got.code, got.out)
	}
}
