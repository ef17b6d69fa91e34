package httpkv

import (
	"bufio"
	"bytes"
	"strings"
	"testing"
)

// FuzzReadMessage reads a stream of events as a server that has lost its mind might send it: no panic, and never more
// memory than the bound and one buffer.
func FuzzReadMessage(f *testing.F) {
	for _, s := range []string{
		"retry: 2000\n\n", "id: a:1\nevent: put\ndata: {}\n\n", ": keepalive\n\n", "data:\ndata: x\r\n\n", "data", "\n\n:\n",
		strings.Repeat("data: xxxxxxxxxxxxxxxx\n", 20),
	} {
		f.Add([]byte(s))
	}
	const limit, buffer = 200, 16
	f.Fuzz(func(t *testing.T, b []byte) {
		in := bufio.NewReaderSize(bytes.NewReader(b), buffer)
		for {
			m, err := readMessage(in, limit)
			if n := len(m.id) + len(m.event) + len(m.data); n > limit+buffer {
				t.Fatalf("an event of %d bytes, the bound is %d", n, limit)
			}
			if err != nil {
				return
			}
			if strings.ContainsAny(m.id+m.event, "\n") {
				t.Fatalf("a line break in %q or %q", m.id, m.event)
			}
		}
	})
}

// TestEndlessEvent refuses an event that never ends, whether its lines do or not.
func TestEndlessEvent(t *testing.T) {
	for _, s := range []string{strings.Repeat("data: x\n", 100), strings.Repeat("x", 1000), strings.Repeat("event: put\n", 100)} {
		if m, err := readMessage(bufio.NewReaderSize(strings.NewReader(s), 16), 200); err == nil || !strings.Contains(err.Error(), "more bytes") {
			t.Errorf("%.20q..: got %d bytes and %v, want an error", s, len(m.data), err)
		}
	}
	if m, err := readMessage(bufio.NewReader(strings.NewReader("data: "+strings.Repeat("x", 194)+"\n\n")), 201); err != nil || len(m.data) != 194 {
		t.Errorf("an event of the bound: %d bytes, %v", len(m.data), err)
	}
}
