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
// that bytes written by any release are read by every later one. Nothing here
// writes them, and goldenSums holds what stands in them. What is new goes into a
// file of its own.
const goldenDir = "testdata/v1"

var goldenSums = map[string]string{
	"ahead.txt":        "1af9c30b7a666c3ef6d3dd3f6e3664507d760d92219da539a4f9024480492b68",
	"cells.txt":        "7b1a99038c668cf9f6fcdcd0f52bc865c7ecff871defb265e9d7864bc777edd5",
	"entries.txt":      "d410ac5e97ebd7401fef1dbe14507dfd9f9d5dac931ae2a706a77febdb0fc4ad",
	"fingerprints.txt": "57fffdcf114cc76f3925078b0f14f8000014e32ac34f1db6e104636ead8ec75f",
	"frames.txt":       "47f9368ccdf027099d21d49cac09aa1ba1cedd42a75ae4c6f250860bc984ea66",
	"greetings.txt":    "7e20335d6bff561d6a4582b47406b687e2c94a13f743213df100507cb426d528",
	"hashes.txt":       "63a9cb5cff326b5dcebaf4bd809b1247d54a1f6aeae02d94ec2eb204919a6ca0",
	"limit.txt":        "2c00abdb05ff770f9f280e2f553b4520711d951675b297924972d4d094e5e984",
}

// TestGoldenFilesStand fails when a golden file was changed, went, or came
// without a place in goldenSums.
func TestGoldenFilesStand(t *testing.T) {
	files, err := os.ReadDir(goldenDir)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != len(goldenSums) {
		t.Errorf("%s holds %d files, %d are pinned", goldenDir, len(files), len(goldenSums))
	}
	for name, want := range goldenSums {
		b, err := os.ReadFile(filepath.Join(goldenDir, name))
		if err != nil {
			t.Error(err)
			continue
		}
		if got := fmt.Sprintf("%x", sha256.Sum256(b)); got != want {
			t.Errorf("%s has changed: its sum is %s, it was %s", name, got, want)
		}
	}
}

// line is one entry of a golden file: "name hex about".
type line struct{ name, hex, about string }

// checkGolden compares what the code makes with a golden file, line by line and
// in both directions.
func checkGolden(t *testing.T, file string, got []line) {
	t.Helper()
	path := filepath.Join(goldenDir, file)
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
	checkGolden(t, "frames.txt", encode(t, goldenFrames()))
}

func TestGoldenAhead(t *testing.T) {
	checkGolden(t, "ahead.txt", encode(t, goldenAhead()))
}

func TestGoldenCells(t *testing.T) {
	checkGolden(t, "cells.txt", encode(t, goldenCells()))
}

// TestGoldenFramesParse reads the files alone: what they hold must parse to the
// values, whatever Append does.
func TestGoldenFramesParse(t *testing.T) {
	for file, all := range map[string][]golden{"frames.txt": goldenFrames(), "ahead.txt": goldenAhead(), "cells.txt": goldenCells()} {
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
	for _, file := range []string{"frames.txt", "ahead.txt", "cells.txt"} {
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
	checkGolden(t, "limit.txt", []line{
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
	checkGolden(t, "hashes.txt", lines)
}

// TestGoldenEntries pins the hash of context entries.
func TestGoldenEntries(t *testing.T) {
	var lines []line
	for _, e := range goldenEntries() {
		h := e.Hash()
		lines = append(lines, line{fmt.Sprintf("entry-%x-%d", uint64(e.O), len(e.Spans)), hex.EncodeToString(h[:]), fmt.Sprintf("lastT %d spans %v", e.LastT, e.Spans)})
	}
	checkGolden(t, "entries.txt", lines)
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
	checkGolden(t, "fingerprints.txt", []line{
		{"tree", fp(cells.FP), "key-000 to key-099 and the Floor of gone"},
		{"tree-live", fp(cells.FPLive), "the same without the tombstone: what ETags are made of"},
		{"context", fp(sums.FP), "the entries of entries.txt"},
	})
}

func TestGoldenGreetings(t *testing.T) {
	meta := AppendMeta(nil, Meta{Origin: o1, Min: 1, Max: 2, Caps: 0x0304, Port: 7171})
	checkGolden(t, "greetings.txt", []line{
		{"meta", hex.EncodeToString(meta), "metadata of a member of versions 1 to 2"},
		{"stream", hex.EncodeToString(StreamHello("local")), "the greeting of a stream of the cluster local"},
	})
}
