package wire

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/starlingkv/starling/internal/cell"
)

// allocated returns how many bytes f allocates in all.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestLyingCounts sends large frames whose counts promise as much as a reader
// that trusts them could be made to reserve, or just less than what is refused
// at sight, with nothing behind them that is right.
func TestLyingCounts(t *testing.T) {
	const room = 512 << 10
	junk := make([]byte, room)
	lies := map[string]func(n uint64) []byte{
		"origins":  func(n uint64) []byte { return raw(TypeDelta, join(uv(n), junk)...) },
		"codecs":   func(n uint64) []byte { return raw(TypeDelta, join(0, uv(n), junk)...) },
		"groups":   func(n uint64) []byte { return raw(TypeDelta, join(tables, uv(n), junk)...) },
		"cells":    func(n uint64) []byte { return raw(TypeDelta, join(tables, 1, uint64(0), uint64(0), uv(n), junk)...) },
		"have":     func(n uint64) []byte { return raw(TypeHave, join(0, 0, uv(n), junk)...) },
		"prev":     func(n uint64) []byte { return deltaOf(rec(recPrev, "k\x00r", 'r', uv(n), junk)) },
		"advert":   func(n uint64) []byte { return raw(TypeAdvert, join(tables, uint64(0), uint64(0), uv(n), junk)...) },
		"fetch":    func(n uint64) []byte { return raw(TypeFetch, join(uv(n), junk)...) },
		"ranges":   func(n uint64) []byte { return raw(TypeRanges, join(0, 0, uv(n), junk)...) },
		"list":     func(n uint64) []byte { return raw(TypeRanges, join(0, 0, 1, toEnd|int(ModeList), uv(n), junk)...) },
		"want":     func(n uint64) []byte { return raw(TypeRanges, join(0, 0, 1, toEnd|int(ModeWant), uv(n), junk)...) },
		"session":  func(n uint64) []byte { return raw(TypeCells, join(tables, uv(n), 0, junk)...) },
		"deferred": func(n uint64) []byte { return raw(TypeCells, join(tables, 1, uv(n), junk)...) },
		"purge":    func(n uint64) []byte { return raw(TypePurge, join(0, uv(n), junk)...) },
		"ctx":      func(n uint64) []byte { return raw(TypeCtx, join(uv(n), junk)...) },
		"spans":    func(n uint64) []byte { return raw(TypeCtx, join(1, uint64(1), uint64(1), uv(n), junk)...) },
		"body":     func(n uint64) []byte { return deltaOf(rec(0, "k\x00r", 'r', uv(n), junk)) },
	}
	for name, lie := range lies {
		for _, n := range []uint64{1 << 63, room + 1, room / 2, room / 3, room / 16, room / 22, room / 49, room / 64} {
			b := lie(n)
			var err error
			got := allocated(func() { _, err = testCodec.Parse(b) })
			if err == nil && name != "body" {
				t.Errorf("%s: a count of %d passes", name, n)
			}
			if limit := uint64(8*len(b) + 64<<10); got > limit {
				t.Errorf("%s: a count of %d allocates %d bytes for a frame of %d", name, n, got, len(b))
			}
		}
	}
}

func uv(n uint64) []byte { return binary.AppendUvarint(nil, n) }

// TestAcceptedAllocation parses the densest frames there are: those that make
// the most of every byte they send.
func TestAcceptedAllocation(t *testing.T) {
	long := strings.Repeat("k", MaxKey) + "\x00r" + strings.Repeat("s", MaxSub-1)
	dense := func(n int, one []byte) []byte { return []byte(strings.Repeat(string(one), n)) }
	const n = 30_000
	shared := MaxShared / MaxAddr
	bounds := [][]byte{}
	for i := range n {
		bounds = append(bounds, join(0, 0, 2, i>>8+1, i))
	}
	for name, b := range map[string][]byte{
		"small cells":   raw(TypeCells, join(tables, uv(n), 0, dense(n, rec(0, "k\x00r", 'r')))...),
		"optional":      raw(TypeCells, join(tables, uv(n), 0, dense(n, rec(recPrevCut, "k\x00r", 'r')))...),
		"front coding":  raw(TypeCells, join(tables, uv(uint64(shared+1)), 0, rec(0, long, 'r'), dense(shared, join(0, 'r', 0, uv(MaxAddr-1), 1, "s", uint64(t1), 0, 1, 0)))...),
		"runs":          raw(TypeHave, join(1, uint64(1), 0, uv(n), dense(n, join(0, 1, 1)))...),
		"spans":         raw(TypeCtx, join(1, uint64(1), uint64(1), uv(n), dense(n, join(1, 1)))...),
		"entries":       raw(TypeCtx, join(uv(n), dense(n, join(uint64(1), uint64(1), 1, 0, 1)))...),
		"ranges":        raw(TypeRanges, join(0, 0, uv(n+1), join(anys(bounds)...), toEnd)...),
		"empty groups":  raw(TypeDelta, join(0, 0, uv(n), dense(n, make([]byte, 17)))...),
		"unused codecs": raw(TypeCells, join(0, uv(n), dense(n, str("c")), 0, 0)...),
	} {
		var err error
		got := allocated(func() { _, err = testCodec.Parse(b) })
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		factor := 16
		if name == "ranges" {
			factor = 48
		}
		if limit := uint64(factor*len(b) + MaxShared + 64<<10); got > limit {
			t.Errorf("%s: %d bytes allocated for a frame of %d: factor %.1f", name, got, len(b), float64(got)/float64(len(b)))
		}
		t.Logf("%s: factor %.1f", name, float64(got)/float64(len(b)))
	}
}

func anys(parts [][]byte) []any {
	out := make([]any, len(parts))
	for i, p := range parts {
		out[i] = p
	}
	return out
}

// TestSharedIsBounded sends a frame that unfolds to more than MaxShared, and
// writes one that would have to.
func TestSharedIsBounded(t *testing.T) {
	long := strings.Repeat("k", MaxKey) + "\x00r" + strings.Repeat("s", MaxSub-1)
	n := MaxShared/MaxAddr + 1
	one := join(0, 'r', 0, uv(MaxAddr), 0, uint64(t1), 0, 1, 0)
	b := raw(TypeCells, join(tables, uv(uint64(n+1)), 0, rec(0, long, 'r'), strings.Repeat(string(one), n))...)
	if _, err := testCodec.Parse(b); Reason(err) != "too_large" {
		t.Errorf("got %v, want ErrTooLarge", err)
	}
	// The whole of a key is shared 1,100 times, then has to be written again.
	var cells []*cell.Cell
	for i := range 1_100 {
		s := register(strings.Repeat("k", MaxKey-6)+fmt.Sprintf("%06d", i), "")
		cells = append(cells, sealed(s))
	}
	f := onStream(&Cells{Cells: cells})
	if got := mustParse(t, mustAppend(t, f)); !equal(got, f) {
		t.Error("cells with long keys came back as others")
	}
}

// TestParseAllocations holds Parse to what a cell needs: itself, its address
// and its body.
func TestParseAllocations(t *testing.T) {
	for _, n := range []int{1, 20} {
		f := heartbeat(n)
		for i, c := range f.Msg.(*Delta).Groups[0].Cells {
			s := c.Spec()
			s.Prev = []cell.Run{{O: o1, From: 5, Len: 1}}
			f.Msg.(*Delta).Groups[0].Cells[i] = sealed(s)
		}
		b := mustAppend(t, f)
		mustParse(t, b) // the codec's name is learned once
		got := testing.AllocsPerRun(100, func() { mustParse(t, b) })
		want := float64(3*n + 1) // and the message
		if n > 1 {
			want++ // and its list
		}
		if got > want {
			t.Errorf("%d cells take %v allocations, want at most %v", n, got, want)
		}
	}
}

func TestAppendAllocatesNothing(t *testing.T) {
	buf := make([]byte, 0, 4096)
	for _, n := range []int{1, 20} {
		f := heartbeat(n)
		got := testing.AllocsPerRun(100, func() {
			if _, err := testCodec.Append(buf, f); err != nil {
				t.Fatal(err)
			}
		})
		if got > 0 {
			t.Errorf("%d cells take %v allocations", n, got)
		}
	}
}

// heartbeat is a DELTA of n cells with bodies of 40 bytes.
func heartbeat(n int) Frame {
	var cells []*cell.Cell
	for i := range n {
		s := register(fmt.Sprintf("ring/ingester-%03d", i), strings.Repeat("b", 40))
		cells = append(cells, sealed(s))
	}
	return delta(Span{Lo: 1, Hi: 2}, cells...)
}
