package wire

import (
	"bytes"
	"encoding/hex"
	"math"
	"path/filepath"
	"testing"

	"github.com/starlingkv/starling/internal/cell"
)

// seeds gives a fuzz target the golden bytes to begin with.
func seeds(f *testing.F, files ...string) {
	f.Helper()
	for _, file := range files {
		lines := make(map[string]line)
		paths, err := filepath.Glob(filepath.Join(goldenDir, file))
		if err != nil || len(paths) == 0 {
			f.Fatalf("no golden file %s: %v", file, err)
		}
		for _, path := range paths {
			for name, l := range readGolden(f, path) {
				lines[name] = l
			}
		}
		for _, l := range lines {
			b, err := hex.DecodeString(l.hex)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b)
		}
	}
}

// claimsAll is a CTX that claims every write that two origins will ever make, in
// one span and in as many as there is room for.
func claimsAll(f *testing.F) []byte {
	f.Helper()
	gaps := make([]cell.Span, 1000)
	for i := range gaps {
		gaps[i] = cell.Span{From: uint64(2*i + 1), Len: 1}
	}
	b, err := testCodec.Append(nil, Frame{
		Header: Header{Origin: 1, Now: 1, Stream: true},
		Msg: &Ctx{Entries: []*cell.Entry{
			cell.NewEntry(7, 1, []cell.Span{{From: 1, Len: math.MaxUint64 - 1}}),
			cell.NewEntry(8, 1, gaps),
		}},
	})
	if err != nil {
		f.Fatal(err)
	}
	return b
}

// FuzzParse repairs the checksum, so that what is behind it is reached.
func FuzzParse(f *testing.F) {
	seeds(f, "frames.txt", "ahead.txt", "cells.txt")
	f.Add(claimsAll(f))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) >= minHead+crcLen {
			b = resum(bytes.Clone(b))
		}
		fr, err := testCodec.Parse(b)
		switch {
		case err != nil && Reason(err) == "other":
			t.Fatalf("an error without a name: %v", err)
		case err != nil || fr.Msg == nil:
			return
		}
		again, err := testCodec.Append(nil, fr)
		if err != nil {
			t.Fatalf("accepted, but not written again: %v", err)
		}
		if got := mustParse(t, again); !equal(got, fr) {
			t.Fatalf("written again it is\n%+v, it was\n%+v", got, fr)
		}
		if n, ok := bound(fr.Msg); ok && len(again) > n {
			t.Fatalf("%v has %d bytes, its bound is %d", fr.Msg.Type(), len(again), n)
		}
	})
}

// FuzzParseAsIs leaves the checksum alone.
func FuzzParseAsIs(f *testing.F) {
	seeds(f, "frames.txt")
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := testCodec.Parse(b); err != nil && Reason(err) == "other" {
			t.Fatalf("an error without a name: %v", err)
		}
	})
}

func FuzzParseMeta(f *testing.F) {
	seeds(f, "greetings.txt")
	f.Add([]byte("\x01\x02\x04zone\x20\x01x"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := ParseMeta(b)
		if err != nil {
			_ = Leaving(b) // which looks into what is not ours, too
			return
		}
		if left := AppendLeaving(AppendMeta(nil, m)); !Leaving(left) || Leaving(AppendMeta(nil, m)) {
			t.Fatalf("%x does not say that its member leaves, or one that stays does", left)
		}
		if again, err := ParseMeta(AppendMeta(nil, m)); err != nil || again != m {
			t.Fatalf("written again it is %+v, %v; it was %+v", again, err, m)
		}
	})
}

func FuzzParseStreamHello(f *testing.F) {
	seeds(f, "greetings.txt")
	f.Fuzz(func(t *testing.T, b []byte) {
		label, n, err := ParseStreamHello(b)
		if err == nil && !bytes.Equal(StreamHello(label), b[:n]) {
			t.Fatalf("label %q of %x", label, b[:n])
		}
	})
}

func FuzzFrameLen(f *testing.F) {
	f.Add([]byte{0, 0, 0, 24})
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < 4 {
			return
		}
		n, err := FrameLen([4]byte(b))
		if err == nil && (n < minHead+crcLen || n > MaxFrame) {
			t.Fatalf("%x: %d", b, n)
		}
	})
}
