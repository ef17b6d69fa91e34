package main

import (
	"fmt"
	"strings"
	"time"
)

// target is what a line is held to: a figure, or how many times less than the
// peer it is at least.
type target struct {
	line  string
	most  float64
	times float64 // 0: most is the target
}

const (
	us = float64(time.Microsecond)
	ms = float64(time.Millisecond)
	s  = float64(time.Second)
	kb = 1000
)

// targets are what the project asks of itself, in the order of the table.
var targets = []target{
	{line: "table of 10: Get", most: 300},
	{line: "table of 10: Get, allocations", most: 2},
	{line: "table of 10: one instance of what was got", most: 1 * us},
	{line: "table of 10, heartbeat by CAS", most: 15 * us},
	{line: "table of 1,000: Get", most: 300},
	{line: "table of 1,000: Get, allocations", most: 2},
	{line: "table of 1,000: one instance of what was got", most: 1 * us},
	{line: "table of 1,000, heartbeat by CAS", most: 15 * us},
	{line: "registry of 5,000 x 512 tokens: Get", most: 300},
	{line: "registry of 5,000 x 512 tokens: Get, allocations", most: 2},
	{line: "registry of 5,000 x 512 tokens: one instance of what was got", most: 1 * us},
	{line: "registry, heartbeat by CAS", most: 15 * us},
	{line: "table of 100,000: Get", most: 300},
	{line: "table of 100,000: Get, allocations", most: 2},
	{line: "table of 100,000: one instance of what was got", most: 1 * us},
	{line: "table of 100,000, heartbeat by CAS", most: 15 * us},
	{line: "registry, heartbeat by CAS beside 10,000 idle watchers", most: 25 * us},
	{line: "heartbeat from a peer, always the same, through parse and merge: processor time", most: 4 * us},
	{line: "heartbeat from a peer, each another: processor time", most: 4 * us},
	{line: "heartbeat from a peer, 20 in a packet: processor time", most: 2 * us},
	{line: "heartbeats lost of 4,000 received at once"},
	{line: "registry, from the CAS to 1 watchers with the value in hand", most: 10 * us},
	{line: "registry, from the CAS to 10 watchers with the value in hand", most: 40 * us},
	{line: "List, 10 of 100,000 keys", most: 5 * us},
	{line: "reconciliation, 100,000 keys in sync: bytes", most: 200},
	{line: "reconciliation, 100,000 keys in sync: processor time of both", most: 50 * us},
	{line: "reconciliation, 100 of 100,000 keys differ: bytes", most: 150 * kb},
	{line: "reconciliation, 100 of 100,000 keys differ: processor time of both", most: 15 * ms},
	{line: "reconciliation, 100 of 100,000 keys differ: legs", most: 6},
	{line: "converge, 64 nodes: all nodes, median", most: 40 * ms},
	{line: "converge, 64 nodes: all nodes, p90", most: 80 * ms},
	{line: "converge, 64 nodes: bytes in packets per update", most: 20 * kb},
	{line: "64 nodes, 5 % of packets lost, in virtual time: all nodes, p99", most: 500 * ms},
	{line: "16 nodes heartbeat in a registry of 1,000: processor time of all nodes, of one core", times: 5},
	{line: "16 nodes heartbeat in a registry of 1,000: bytes per second, streams included", times: 20},
	{line: "16 nodes heartbeat in a registry of 1,000: delay to another node, p99", most: 60 * ms},
	{line: "heap per key of 20 B with a value of 32 B, 100,000 by gossip", most: 400},
	{line: "goroutines more on both nodes, after 10,000 keys"},
	{line: "join until all of 100,000 keys are there", most: 1 * s},
	{line: "join, processor time of both until 5 s after", most: 1.5 * s},
	{line: "join of a registry of 26 MB until all is there", most: 1 * s},
	{line: "join of a registry of 26 MB, processor time of both until 5 s after", most: 1.5 * s},
	{line: "keys of a burst of 10,000 that a watcher never saw, callback 1ms"},
}

// targets puts what is asked beside what was found, as far as it was measured.
func (t *table) targets() string {
	var b strings.Builder
	for _, g := range targets {
		l := t.find(g.line)
		if l == nil {
			continue
		}
		if b.Len() == 0 {
			fmt.Fprintf(&b, "\n| target | at most | %s | met |\n|---|--:|--:|---|\n", t.own)
		}
		met := "yes"
		if !g.met(l) {
			met = "**no**"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", g.line, g.show(l, t.peer), show(l.row.Unit, median(l.owns)), met)
	}
	return b.String()
}

func (g target) met(l *line) bool {
	if g.times > 0 {
		return len(l.peers) > 0 && l.times() >= g.times
	}
	return median(l.owns) <= g.most
}

func (g target) show(l *line, peer string) string {
	if g.times > 0 {
		return fmt.Sprintf("1/%s of %s", digits(g.times), peer)
	}
	return show(l.row.Unit, g.most)
}

// untested are the targets of which no line was found.
func (t *table) untested() []string {
	var missing []string
	for _, g := range targets {
		if t.find(g.line) == nil {
			missing = append(missing, fmt.Sprintf("no line %q, which has a target", g.line))
		}
	}
	return missing
}
