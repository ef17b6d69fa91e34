package note

import (
	"os"
	"strings"
	"testing"
	"time"
)

func whole() Note {
	at := time.Date(2026, 11, 22, 17, 1, 2, 3004005, time.UTC)
	return Note{Codec: "json.user", Updated: at, Expires: at.Add(time.Minute), Origin: "host-1", Media: "application/json", Write: "0a1b"}
}

// TestGolden holds the bytes of version 1 for ever: the file is never changed.
func TestGolden(t *testing.T) {
	lines, err := os.ReadFile("testdata/v1.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	golden := strings.Split(strings.TrimSuffix(string(lines), "\n"), "\n")
	notes := []Note{{}, {Codec: "bytes"}, whole()}
	if len(golden) != len(notes) {
		t.Fatalf("%d golden lines for %d notes", len(golden), len(notes))
	}
	for i, n := range notes {
		b, err := n.Append(nil)
		if err != nil || string(b) != golden[i] {
			t.Errorf("got %s, %v; want %s", b, err, golden[i])
		}
		if back, err := Parse([]byte(golden[i])); err != nil || back != n {
			t.Errorf("%s reads as %+v, %v; want %+v", golden[i], back, err, n)
		}
	}
}

func TestParse(t *testing.T) {
	if n, err := Parse([]byte(`{"v":7,"codec":"c","later":{"a":[1]}}`)); err != nil || n.Codec != "c" {
		t.Errorf("a note of a later version reads as %+v, %v; want what is known of it", n, err)
	}
	for _, bad := range []string{"", "{}", "null", "7", `{"v":0}`, `{"v":1`, `{"v":1,"updated":"yesterday"}`, `{"v":1,"origin":"` + strings.Repeat("x", MaxSize) + `"}`} {
		if n, err := Parse([]byte(bad)); err == nil {
			t.Errorf("%.40s reads as %+v, want an error", bad, n)
		}
	}
}

func TestAppendIsBounded(t *testing.T) {
	n := Note{Codec: "c", Origin: strings.Repeat("x", MaxSize)}
	if b, err := n.Append([]byte("before")); err == nil || string(b) != "before" {
		t.Errorf("got %d bytes, %v; want an error and nothing appended", len(b), err)
	}
}

func FuzzParse(f *testing.F) {
	b, _ := whole().Append(nil)
	f.Add(b)
	f.Add([]byte(`{"v":1}`))
	f.Add([]byte(`{"v":2,"updated":"2026-11-22T17:01:02.003004005+02:00"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := Parse(b)
		if err != nil {
			return
		}
		again, err := n.Append(nil)
		if err != nil {
			return // escapes made it longer than it may be
		}
		back, err := Parse(again)
		if err != nil || !back.Updated.Equal(n.Updated) || !back.Expires.Equal(n.Expires) || back.Codec != n.Codec || back.Origin != n.Origin {
			t.Fatalf("%s reads as %+v, written %s, which reads as %+v, %v", b, n, again, back, err)
		}
	})
}
