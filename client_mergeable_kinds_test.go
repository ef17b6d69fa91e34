package starling_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/starlingkv/starling"
	"github.com/starlingkv/starling/crdt"
	"github.com/starlingkv/starling/kv"
)

// board is who is on duty since which second, and with what; the newer stands.
type board map[string]duty

type duty struct {
	Since int64
	Off   bool
	Kit   string
}

func (b board) Merge(other board, localCAS bool) (board, error) {
	change := board{}
	for name, d := range other {
		if was, has := b[name]; !has && d.Since >= 0 || has && d.Since > was.Since || d.Since == was.Since && d.Off && !was.Off {
			b[name], change[name] = d, d
		}
	}
	for name, d := range b {
		if _, stays := other[name]; localCAS && !stays && !d.Off {
			d = duty{Since: time.Now().Unix(), Off: true}
			b[name], change[name] = d, d
		}
	}
	if len(change) == 0 {
		return nil, nil
	}
	return change, nil
}

func (b board) MergeContent() []string { return slices.Sorted(maps.Keys(b)) }
func (b board) Clone() board           { return maps.Clone(b) }

func (b board) RemoveTombstones(time.Time) (total, removed int) {
	before := len(b)
	maps.DeleteFunc(b, func(_ string, d duty) bool { return d.Off })
	return len(b), before - len(b)
}

type boardShape struct{}

func (boardShape) Split(b board) (map[string]crdt.Piece, error) {
	out := make(map[string]crdt.Piece)
	for name, d := range b {
		p := crdt.Piece{Order: crdt.Order{At: time.Unix(d.Since, 0)}, Gone: d.Off}
		if d.Off {
			p.Order.Rank = 1
		} else {
			p.Hot, p.Cold = fmt.Append(nil, d.Since), []byte(d.Kit)
		}
		out[name] = p
	}
	return out, nil
}

// Join decides who of two has a kit: the one whose name comes first.
func (boardShape) Join(pieces map[string]crdt.Piece) (board, error) {
	b, taken := board{}, map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(pieces)) {
		p := pieces[name]
		d := duty{Kit: string(p.Cold)}
		if _, err := fmt.Sscan(string(p.Hot), &d.Since); err != nil {
			return nil, err
		}
		if taken[d.Kit] {
			d.Kit = ""
		}
		taken[d.Kit] = true
		b[name] = d
	}
	return b, nil
}

var boards = crdt.MergeableOf[board](kv.JSON[board]("board"), boardShape{})

// show is a board as a client sees it, without the times.
func show(t testing.TB, c kv.Client) string {
	t.Helper()
	v, err := c.Get(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	b, _ := v.(board)
	var out []string
	for _, name := range slices.Sorted(maps.Keys(b)) {
		out = append(out, name+"="+b[name].Kit)
	}
	return strings.Join(out, " ")
}

// report puts somebody on duty from now on.
func report(t testing.TB, c kv.Client, name, kit string) {
	t.Helper()
	change(t, c, func(b board) { b[name] = duty{Since: time.Now().Unix(), Kit: kit} })
}

func change(t testing.TB, c kv.Client, f func(board)) {
	t.Helper()
	err := c.CAS(t.Context(), "k", func(in any) (any, bool, error) {
		b, ok := in.(board)
		if !ok {
			b = board{}
		}
		f(b)
		return b, true, nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// stuck is a Mergeable that nothing changes.
type stuck struct{ v any }

func (s *stuck) Merge(*stuck, bool) (*stuck, error)       { return nil, nil }
func (s *stuck) MergeContent() []string                   { return []string{"v"} }
func (s *stuck) RemoveTombstones(time.Time) (_, none int) { return 0, none }
func (s *stuck) Clone() *stuck                            { return s }

// unmoved is a client of a kind whose merge reports no change.
type unmoved struct{ kv.Client }

func (c unmoved) CAS(ctx context.Context, key string, f func(any) (any, bool, error)) error {
	return c.Client.CAS(ctx, key, func(any) (any, bool, error) {
		out, retry, err := f(nil)
		return &stuck{out}, retry, err
	})
}

type stuckShape struct{}

func (stuckShape) Split(v *stuck) (map[string]crdt.Piece, error) {
	if v.v == nil {
		return nil, nil
	}
	return map[string]crdt.Piece{"v": {Hot: []byte("v")}}, nil
}

func (stuckShape) Join(map[string]crdt.Piece) (*stuck, error) { return &stuck{}, nil }

// unmovedOn is the hook of the suite for ErrNoChange. Its key holds something: a
// key that holds nothing is not merged with.
func unmovedOn(open func(t testing.TB) *starling.Node) func(t testing.TB, codec kv.Codec) kv.Client {
	return func(t testing.TB, codec kv.Codec) kv.Client {
		c := unmoved{open(t).Client(crdt.MergeableOf[*stuck](codec, stuckShape{}))}
		err := c.CAS(t.Context(), "k", func(any) (any, bool, error) { return "first", false, nil })
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
}
