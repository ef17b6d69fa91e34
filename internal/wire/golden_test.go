package wire

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/tree"
)

// The golden files of testdata/v1 are never regenerated: they are the promise
// that bytes written by any release are read by every later one. A file that
// is missing can be written once, by running the tests with
//
//	STARLING_WRITE_MISSING_GOLDEN=v1 go test -run Golden ./internal/wire
//
// which refuses to touch one that exists.
const (
	goldenDir = "testdata/v1"
	goldenEnv = "STARLING_WRITE_MISSING_GOLDEN"
)

// line is one entry of a golden file: "name hex about".
type line struct{ name, hex, about string }

// checkGolden compares what the code makes with a golden file, line by line and
// in both directions.
func checkGolden(t *testing.T, file, what string, got []line) {
	t.Helper()
	path := filepath.Join(goldenDir, file)
	if os.Getenv(goldenEnv) == "v1" {
		writeMissing(t, path, what, got)
	}
	want := readGolden(t, path)
	if len(want) != len(got) {
		t.Errorf("%s has %d entries, the code makes %d", file, len(want), len(got))
	}
	for _, g := range got {
		w, ok := want[g.name]
		if !ok {
			t.Errorf("%s: no entry %s", file, g.name)
		} else if w.hex != g.hex {
			t.Errorf("%s: %s (%s):\n got %s\nwant %s", file, g.name, g.about, g.hex, w.hex)
		}
	}
}

func readGolden(t testing.TB, path string) map[string]line {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string]line)
	for sc := bufio.NewScanner(bytes.NewReader(b)); sc.Scan(); {
		if sc.Text() == "" || sc.Text()[0] == '#' {
			continue
		}
		name, rest, _ := strings.Cut(sc.Text(), " ")
		hx, about, _ := strings.Cut(rest, " ")
		if _, twice := out[name]; twice {
			t.Errorf("%s: %s stands there twice", path, name)
		}
		out[name] = line{name, hx, about}
	}
	return out
}

func writeMissing(t *testing.T, path, what string, lines []line) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if os.IsExist(err) {
		t.Logf("%s exists and stays as it is", path)
		return
	} else if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(f, "# %s\n# Never regenerated. Each line: name, hex, what it shows.\n", what)
	for _, l := range lines {
		fmt.Fprintf(f, "%s %s %s\n", l.name, l.hex, l.about)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func mustAppend(t testing.TB, f Frame) []byte {
	t.Helper()
	b, err := testCodec.Append(nil, f)
	if err != nil {
		t.Fatalf("append: %v", err)
	}
	return b
}

func mustParse(t testing.TB, b []byte) Frame {
	t.Helper()
	f, err := testCodec.Parse(b)
	if err != nil {
		t.Fatalf("parse: %v", err)
	}
	return f
}

func encode(t *testing.T, all []golden) []line {
	t.Helper()
	var out []line
	for _, g := range all {
		out = append(out, line{g.name, hex.EncodeToString(mustAppend(t, g.frame)), g.about})
	}
	return out
}

func TestGoldenFrames(t *testing.T) {
	checkGolden(t, "frames.txt", "Frames of every type of version 1.", encode(t, goldenFrames()))
}

func TestGoldenCells(t *testing.T) {
	checkGolden(t, "cells.txt", "A DELTA with one cell for each combination of the flags of a CellRec.", encode(t, goldenCells()))
}

// TestGoldenFramesParse reads the files alone: what they hold must parse to the
// values, whatever Append does.
func TestGoldenFramesParse(t *testing.T) {
	for file, all := range map[string][]golden{"frames.txt": goldenFrames(), "cells.txt": goldenCells()} {
		lines := readGolden(t, filepath.Join(goldenDir, file))
		for _, g := range all {
			b, err := hex.DecodeString(lines[g.name].hex)
			if err != nil {
				t.Fatal(err)
			}
			got, err := testCodec.Parse(b)
			if err != nil {
				t.Errorf("%s: %v", g.name, err)
			} else if !reflect.DeepEqual(got, g.frame) {
				t.Errorf("%s (%s): parsed to another value:\n got %+v\nwant %+v", g.name, g.about, got, g.frame)
			}
		}
	}
}

// TestGoldenFramesCorrupt flips a bit of every byte of every golden frame: not
// one may pass, nor any that is cut or goes on.
func TestGoldenFramesCorrupt(t *testing.T) {
	for _, file := range []string{"frames.txt", "cells.txt"} {
		for name, l := range readGolden(t, filepath.Join(goldenDir, file)) {
			b, _ := hex.DecodeString(l.hex)
			for i := range b {
				for _, mask := range []byte{0x01, 0x80, 0xff} {
					bad := bytes.Clone(b)
					bad[i] ^= mask
					if _, err := testCodec.Parse(bad); err == nil {
						t.Errorf("%s: byte %d xor %02x passes", name, i, mask)
					}
				}
				if _, err := testCodec.Parse(b[:i]); err == nil {
					t.Errorf("%s: the first %d bytes pass", name, i)
				}
			}
			if _, err := testCodec.Parse(append(bytes.Clone(b), 0)); err == nil {
				t.Errorf("%s: passes with a byte more", name)
			}
		}
	}
}

func TestGoldenTypesComplete(t *testing.T) {
	seen := make(map[Type]bool)
	for _, g := range goldenFrames() {
		seen[g.frame.Msg.Type()] = true
	}
	for typ, name := range typeNames {
		if !seen[typ] {
			t.Errorf("no golden frame of type %s", name)
		}
	}
}

// TestGoldenLimit pins the frame of exactly MaxFrame bytes by its hash.
func TestGoldenLimit(t *testing.T) {
	b := mustAppend(t, atLimit(0))
	if len(b) != MaxFrame {
		t.Fatalf("the frame at the limit has %d bytes, want %d", len(b), MaxFrame)
	}
	sum := sha256.Sum256(b)
	checkGolden(t, "limit.txt", "sha256 of the frame of 1 MiB: a BODY of bytes i*7.", []line{
		{"limit", hex.EncodeToString(sum[:]), "1048576 bytes"},
	})
	if got := mustParse(t, b); !reflect.DeepEqual(got, atLimit(0)) {
		t.Error("the frame at the limit parses to another value")
	}
	for _, i := range []int{0, 3, 40, MaxFrame / 2, MaxFrame - 1} {
		bad := bytes.Clone(b)
		bad[i] ^= 1
		if _, err := testCodec.Parse(bad); err == nil {
			t.Errorf("limit frame passes with byte %d flipped", i)
		}
	}
}

// TestGoldenHashes pins the hash of cells.
func TestGoldenHashes(t *testing.T) {
	var lines []line
	for flags := range 256 {
		c := sealed(combination(byte(flags)))
		h := c.Hash()
		lines = append(lines, line{fmt.Sprintf("cell-%02x", flags), hex.EncodeToString(h[:]), "hash of the cell of flags-" + fmt.Sprintf("%02x", flags)})
	}
	checkGolden(t, "hashes.txt", "Hashes of the cells of cells.txt, in the cluster \"golden\".", lines)
}

// TestGoldenEntries pins the hash of context entries.
func TestGoldenEntries(t *testing.T) {
	var lines []line
	for _, e := range goldenEntries() {
		h := e.Hash()
		lines = append(lines, line{fmt.Sprintf("entry-%x-%d", uint64(e.O), len(e.Spans)), hex.EncodeToString(h[:]), fmt.Sprintf("lastT %d spans %v", e.LastT, e.Spans)})
	}
	checkGolden(t, "entries.txt", "Hashes of context entries.", lines)
}

func goldenEntries() []*cell.Entry {
	return []*cell.Entry{
		entry(o1, t2, cell.Span{From: 1, Len: 9}, cell.Span{From: 11, Len: 1}, cell.Span{From: 300, Len: 70000}),
		entry(o2, t1, cell.Span{From: 1 << 40, Len: 1}),
		entry(o3, t3, cell.Span{From: 2, Len: 2}, cell.Span{From: 5, Len: 1}),
	}
}

// TestGoldenFingerprints pins the fingerprints of a tree and a context.
func TestGoldenFingerprints(t *testing.T) {
	edit := tree.Tree[*cell.Stored]{}.Edit()
	for i := range 100 {
		edit.Put(&cell.Stored{Cell: sealed(register(fmt.Sprintf("key-%03d", i), "v"))})
	}
	edit.Put(&cell.Stored{Cell: sealed(cell.Spec{Addr: cell.FloorOf("gone"), Tomb: true, Ver: cell.Ver{T: t2, O: o2, N: 5}})})
	cells := edit.Tree().Agg()
	var ctx cell.Context
	ce := ctx.Edit()
	for _, e := range goldenEntries() {
		ce.Merge(e)
	}
	sums := ce.Context().Tree().Agg()
	fp := func(v [2]uint64) string { return fmt.Sprintf("%016x%016x", v[0], v[1]) }
	checkGolden(t, "fingerprints.txt", "Fingerprints of trees, as HELLO carries them.", []line{
		{"tree", fp(cells.FP), "key-000 to key-099 and the Floor of gone"},
		{"tree-live", fp(cells.FPLive), "the same without the tombstone: what ETags are made of"},
		{"context", fp(sums.FP), "the entries of entries.txt"},
	})
}

func TestGoldenGreetings(t *testing.T) {
	meta := AppendMeta(nil, Meta{Origin: o1, Min: 1, Max: 2, Caps: 0x0304, Port: 7171})
	checkGolden(t, "greetings.txt", "What stands outside frames.", []line{
		{"meta", hex.EncodeToString(meta), "metadata of a member of versions 1 to 2"},
		{"stream", hex.EncodeToString(StreamHello("local")), "the greeting of a stream of the cluster local"},
	})
}
