package engine

import (
	"strings"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/tree"
)

// Sight is what a writer has seen of one key: a Root, and up to which of its own
// writes its node had come. By it a compare-and-swap of a value that merges finds
// out whether it has lost a race.
type Sight struct {
	root  *Root
	key   string
	self  cell.Origin
	until uint64
}

// SightOf is what the node of an origin sees of a key on a Root of its own.
func SightOf(r *Root, self cell.Origin, key string) Sight {
	s := Sight{root: r, key: key, self: self}
	if seen, _ := r.Ctx.Seen(self); len(seen) > 0 {
		last := seen[len(seen)-1]
		s.until = last.From + last.Len - 1
	}
	return s
}

// Root is what was seen.
func (s Sight) Root() *Root { return s.root }

// Key is of which it is.
func (s Sight) Key() string { return s.key }

// Self is whose node has seen it.
func (s Sight) Self() cell.Origin { return s.self }

// Lost reports whether a write of this node has come to the key since, or one of
// anybody to an address that begins with one of watched. Whatever else came is
// joined, and no race.
func (s Sight) Lost(now *Root, watched []string) bool {
	if now.Tree.Same(s.root.Tree) {
		return false
	}
	lo, hi := cell.KeyRange(s.key)
	for was, is := range tree.Diff(s.root.Tree, now.Tree, lo, hi) {
		if is != nil && s.wrote(is) || visibly(was, is) && begins(watched, was, is) {
			return true
		}
	}
	return false
}

// wrote reports whether the node has written a cell, or one below it, since. A
// cell that came from elsewhere names what it replaced; what it displaced
// without knowing stands beside it.
func (s Sight) wrote(c *cell.Stored) bool {
	d := c.Dot()
	if d.O == s.self && d.N > s.until {
		return true
	}
	for _, runs := range [][]cell.Run{c.PrevRuns(), c.Under()} {
		for _, r := range runs {
			if r.O == s.self && r.From+r.Len-1 > s.until {
				return true
			}
		}
	}
	return false
}

// visibly reports whether a reader can tell two cells of an address apart.
func visibly(was, is *cell.Stored) bool {
	a, b := was != nil && was.Visible(), is != nil && is.Visible()
	return a != b || a && b && was.Dot() != is.Dot()
}

func begins(watched []string, was, is *cell.Stored) bool {
	if is == nil {
		is = was
	}
	for _, prefix := range watched {
		if strings.HasPrefix(string(is.Addr), prefix) {
			return true
		}
	}
	return false
}
