package wire

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func TestParseStreamHello(t *testing.T) {
	long := strings.Repeat("a", MaxLabel)
	for _, tt := range []struct {
		in    string
		label string
		err   error
	}{
		{"\xf7\x05local", "local", nil},
		{"\xf7\x05local and a frame", "local", nil},
		{"\xf7\x40" + long, long, nil},
		{"\xf7\x09a-b.c-0-9", "a-b.c-0-9", nil},
		{"", "", ErrShort},
		{"\xf7", "", ErrShort},
		{"\xf7\x05loca", "", ErrShort},
		{"\x0c\x05local", "", ErrHello},
		{"\x0c", "", ErrHello},
		{"\xf7\x00", "", ErrLabel},
		{"\xf7\x41" + long + "a", "", ErrLabel},
		{"\xf7\x41", "", ErrLabel}, // at once, not after the bytes of it
		{"\xf7\xff", "", ErrLabel},
		{"\xf7\x05Local", "", ErrLabel},
		{"\xf7\x05lo_al", "", ErrLabel},
		{"\xf7\x02\xc3\xa4", "", ErrLabel},
	} {
		label, n, err := ParseStreamHello([]byte(tt.in))
		if label != tt.label || !errors.Is(err, tt.err) || (err == nil) != (tt.err == nil) {
			t.Errorf("%q: got %q, %v; want %q, %v", tt.in, label, err, tt.label, tt.err)
		}
		if err == nil && n != 2+len(tt.label) {
			t.Errorf("%q: %d bytes, want %d", tt.in, n, 2+len(tt.label))
		}
	}
}

func TestParseMeta(t *testing.T) {
	want := Meta{Origin: o1, Min: 1, Max: 2, Caps: 3, Port: 7171}
	plain := AppendMeta(nil, want)
	record := plain[3:]
	longer := append([]byte{1, 1, 0, metaTag, metaLen + 2}, append(bytes.Clone(record[2:]), 9, 9)...)
	for name, b := range map[string][]byte{
		"plain":               plain,
		"bridge of a zone":    append([]byte("\x01\x02\x04zone"), record...),
		"behind other tags":   append([]byte("\x01\x01\x00\x20\x03abc\x21\x00"), record...),
		"more behind":         append(bytes.Clone(plain), 0x60, 0x01, 0xff, 0x61),
		"more in the record":  longer,
		"room for cut header": append([]byte("\x01\x01\x10"+strings.Repeat("z", 16)), record...),
	} {
		if got, err := ParseMeta(b); err != nil || got != want {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
	patched := func(at int, v byte) []byte {
		b := bytes.Clone(plain)
		b[at] = v
		return b
	}
	noOrigin := AppendMeta(nil, Meta{Min: 1, Max: 1})
	for name, b := range map[string][]byte{
		"none":             nil,
		"cut":              plain[:len(plain)-1],
		"header alone":     plain[:3],
		"other version":    patched(0, 2),
		"zone over":        append([]byte("\x01\x01\x11"+strings.Repeat("z", 17)), record...),
		"zone to the end":  patched(2, 16),
		"other tag":        patched(3, 0x5b),
		"short record":     patched(4, metaLen-1),
		"min 0":            patched(5, 0),
		"min over max":     patched(5, 3),
		"no origin":        noOrigin,
		"dskit's own form": []byte("\x01\x02\x04zone"),
	} {
		if got, err := ParseMeta(b); !errors.Is(err, ErrMeta) {
			t.Errorf("%s: got %+v, %v; want ErrMeta", name, got, err)
		}
	}
	if got := testing.AllocsPerRun(10, func() { _, _ = ParseMeta(plain) }); got > 0 {
		t.Errorf("ParseMeta allocates %v times", got)
	}
}

func TestAppendStream(t *testing.T) {
	f := packet(&Shown{Sent: 5})
	b, err := testCodec.AppendStream([]byte("x"), f)
	if err != nil {
		t.Fatal(err)
	}
	n, err := FrameLen([4]byte(b[1:5]))
	if err != nil || n != len(b)-5 {
		t.Fatalf("got %d, %v; want %d", n, err, len(b)-5)
	}
	f.Stream, f.Seq = true, 0
	if got := mustParse(t, b[5:]); !equal(got, f) {
		t.Errorf("got %+v, want %+v", got, f)
	}
	if got, err := testCodec.AppendStream([]byte("x"), atLimit(1)); !errors.Is(err, ErrTooLarge) || string(got) != "x" {
		t.Errorf("over the limit: got %q, %v", got, err)
	}
	if b, err = testCodec.AppendStream(nil, atLimit(0)); err != nil || len(b) != 4+MaxFrame {
		t.Errorf("at the limit: %d bytes, %v", len(b), err)
	}
}

func TestFrameLen(t *testing.T) {
	for prefix, want := range map[[4]byte]error{
		{0, 0, 0, 23}:       ErrShort,
		{0, 0, 0, 24}:       nil,
		{0, 16, 0, 0}:       nil,
		{0, 16, 0, 1}:       ErrTooLarge,
		{255, 255, 255, 25}: ErrTooLarge,
	} {
		if _, err := FrameLen(prefix); !errors.Is(err, want) || (err == nil) != (want == nil) {
			t.Errorf("%v: got %v, want %v", prefix, err, want)
		}
	}
}

func TestBudget(t *testing.T) {
	if got := Budget("local"); got != 1358 {
		t.Errorf("got %d, want 1358", got)
	}
	// A full packet of small cells stays in its budget if CellSize says so.
	n, cells := DeltaSize+GroupSize, 0
	f := heartbeat(40)
	g := &f.Msg.(*Delta).Groups[0]
	for i, c := range g.Cells {
		if i > 0 {
			n += CellSize(g.Cells[i-1].Addr, c)
		} else {
			n += CellSize("", c)
		}
		if n > Budget("local") {
			break
		}
		cells++
	}
	g.Cells = g.Cells[:cells]
	if b := mustAppend(t, f); len(b) > Budget("local") || len(b) < Budget("local")*3/4 {
		t.Errorf("a packet filled with %d cells has %d bytes of %d", cells, len(b), Budget("local"))
	}
}
