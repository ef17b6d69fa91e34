package main

import (
	"net"
	"strings"
	"testing"
)

// TestServerThatFindsNobody looks at a process while it waits for a seed that does not answer.
func TestServerThatFindsNobody(t *testing.T) {
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	seed := gone.Addr().String()
	gone.Close()
	n := start(t, "--bind", "127.0.0.1:0", "--http", "127.0.0.1:0", "--seed", seed)
	for _, c := range []struct {
		line string
		code int
	}{
		{"status", exitCheck},
		{"get k", exitNotFound},
		// What is not here may be there: these wait.
		{"put k v --timeout 100ms", exitUnreachable},
		{"del k --timeout 100ms", exitUnreachable},
		// And then it runs alone.
		{"del k", exitNotFound},
		{"put k v", exitOK},
		{"status", exitOK},
		{"del k", exitOK},
	} {
		if out, talk, code := verb(t, nil, append(strings.Fields(c.line), "--addr", n.HTTP)...); code != c.code {
			t.Errorf("%s: exit code %d, want %d\n%s%s", c.line, code, c.code, out, talk)
		}
	}
}
