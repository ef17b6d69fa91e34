package main

import (
	"strings"
	"testing"
)

// TestServerThatFindsNobody looks at a process that waits for a seed that does not answer, and at one that has given up
// waiting.
func TestServerThatFindsNobody(t *testing.T) {
	for _, c := range []struct {
		joinWait string
		lines    []string
		codes    []int
	}{
		// What is not here may be there: writes wait, a delete too.
		{"1h", []string{"status", "get k", "put k v --timeout 100ms", "del k --timeout 100ms"}, []int{exitCheck, exitNotFound, exitUnreachable, exitUnreachable}},
		// Then it runs alone.
		{"300ms", []string{"del k", "put k v", "status", "del k"}, []int{exitNotFound, exitOK, exitOK, exitOK}},
	} {
		n := start(t, "--bind", "127.0.0.1:0", "--http", "127.0.0.1:0", "--seed", "127.0.0.1:1", "--join-wait", c.joinWait)
		for i, line := range c.lines {
			if out, talk, code := verb(t, nil, append(strings.Fields(line), "--addr", n.HTTP)...); code != c.codes[i] {
				t.Errorf("--join-wait %s: %s: exit code %d, want %d\n%s%s", c.joinWait, line, code, c.codes[i], out, talk)
			}
		}
	}
}
