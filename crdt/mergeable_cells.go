package crdt

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/kv"
)

// The cells of a value that merges, all of one key:
//
//	g name 00 00          hot: the piece of a name, at the place of its order; a
//	                      tombstone if it is gone, whose body is the order
//	g name 00 01 origin   cold: what a writer wrote of the name that is large
//
// A hot cell names the writer whose cold cell belongs to it. Only its writer
// writes a cold cell, so that the piece that stands highest is whole, whoever
// wrote another at the same time: the two never share a cell. While the cold
// cell of a piece has not come, the piece is not there.
const (
	classMerge = 'g'
	hotPart    = "\x00\x00"
	coldPart   = "\x00\x01"
)

// The first byte of a hot body.
const (
	withoutCold = 0
	withCold    = 1 // the writer of the cold cell follows, 8 bytes
)

// hotBody is the body of a hot cell.
type hotBody struct {
	cold cell.Origin // whose cold cell belongs to it, 0: none
	hot  []byte
}

func (h hotBody) bytes() []byte {
	if h.cold == 0 {
		return append([]byte{withoutCold}, h.hot...)
	}
	b := binary.BigEndian.AppendUint64([]byte{withCold}, uint64(h.cold))
	return append(b, h.hot...)
}

func openHot(b []byte) (hotBody, error) {
	if len(b) > 0 && b[0] == withoutCold {
		return hotBody{hot: b[1:len(b):len(b)]}, nil
	}
	const head = 1 + 8
	if len(b) < head || b[0] != withCold {
		return hotBody{}, fmt.Errorf("%w: a piece of %d bytes", kv.ErrDecode, len(b))
	}
	o := cell.Origin(binary.BigEndian.Uint64(b[1:head]))
	if o == 0 {
		return hotBody{}, fmt.Errorf("%w: a piece of nobody", kv.ErrDecode)
	}
	return hotBody{cold: o, hot: b[head:len(b):len(b)]}, nil
}

// named is the cells of one name.
type named struct {
	name  string
	hot   *cell.Stored // also a tombstone; nil if there is none or it has expired
	colds []*cell.Stored
}

// coldOf is who wrote a cold cell.
func coldOf(s *cell.Stored) cell.Origin {
	return cell.Origin(binary.BigEndian.Uint64([]byte(s.Addr[len(s.Addr)-8:])))
}

// cold is the cold cell of a writer, nil if there is none.
func (n named) cold(o cell.Origin) *cell.Stored {
	for _, s := range n.colds {
		if coldOf(s) == o {
			return s
		}
	}
	return nil
}

// piece puts the cells of a name together. There is none if it is gone, or if not
// all of them have come.
func (n named) piece() (p Piece, whole bool, err error) {
	if n.hot == nil || n.hot.Tomb {
		return p, false, nil
	}
	h, err := openHot(n.hot.Body)
	if err != nil {
		return p, false, fmt.Errorf("%q: %w", n.name, err)
	}
	p.Hot = h.hot
	if h.cold == 0 {
		return p, true, nil
	}
	s := n.cold(h.cold)
	if s == nil {
		return p, false, nil
	}
	p.Cold = bytes.Clone(s.Body)
	return p, true, nil
}

// gone is when a name was removed, the zero time if it was not.
func (n named) gone() Order {
	if n.hot == nil || !n.hot.Tomb {
		return Order{}
	}
	return openOrder(n.hot.Body)
}

// content is the cells of a value, by name and in order.
type content struct {
	names []named
	live  bool // a reader sees one of them
}

// read collects the cells of a value.
func (k *mergeKind[M]) read(at place) (content, error) {
	var c content
	for s := range at.cells.Range(at.prefix, above(at.prefix)) {
		name, part, _ := strings.Cut(at.sub(s), "\x00")
		cold := len(part) == 1+8 && part[0] == coldPart[1]
		if part != hotPart[1:] && !cold || !s.Visible() && (cold || !s.Tomb) {
			continue
		}
		if s.Visible() {
			if err := check(k, s); err != nil {
				return c, err
			}
			c.live = true
		}
		if len(c.names) == 0 || c.names[len(c.names)-1].name != name {
			c.names = append(c.names, named{name: name})
		}
		last := &c.names[len(c.names)-1]
		if cold {
			last.colds = append(last.colds, s)
		} else {
			last.hot = s
		}
	}
	return c, nil
}

// by finds the cells of a name.
func (c content) by() map[string]named {
	out := make(map[string]named, len(c.names))
	for _, n := range c.names {
		out[n.name] = n
	}
	return out
}

// pieces puts the cells together, name by name.
func (c content) pieces() (map[string]Piece, error) {
	out := make(map[string]Piece, len(c.names))
	for _, n := range c.names {
		p, whole, err := n.piece()
		if err != nil {
			return nil, err
		}
		if whole {
			out[n.name] = p
		}
	}
	return out, nil
}

// View is part of Merging.
func (k *mergeKind[M]) View(cells Cells, key string) (any, error) {
	at := placeOf(k, cells, key)
	c, err := k.read(at)
	if err != nil {
		return nil, err
	}
	if !c.live {
		return nil, at.foreign()
	}
	m, err := k.join(c)
	if err != nil {
		return nil, err
	}
	err = guarded(kv.ErrDecode, "RemoveTombstones of "+k.id, func() error {
		m.RemoveTombstones(time.Time{})
		return nil
	})
	return m, err
}

func (k *mergeKind[M]) join(c content) (m M, err error) {
	pieces, err := c.pieces()
	if err != nil {
		return m, err
	}
	err = guarded(kv.ErrDecode, "Join of "+k.id, func() (err error) {
		if m, err = k.shape.Join(pieces); err != nil {
			return fmt.Errorf("%w: %w", kv.ErrDecode, err)
		}
		if none(m) {
			return fmt.Errorf("%w: Join returns nil", kv.ErrDecode)
		}
		return nil
	})
	return m, err
}
