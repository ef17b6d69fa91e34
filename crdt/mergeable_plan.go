package crdt

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/kv"
)

// Plan is part of Merging. What is written is what the value's own Merge says
// has changed, and what is of the same time as what is there: its writer has
// seen that.
func (k *mergeKind[M]) Plan(in Intent) (Plan, error) {
	out, ok := in.Out.(M)
	if !ok || none(out) {
		return Plan{}, unfit(k, out, in.Out)
	}
	at := placeOf(k, in.Read, in.Key)
	c, err := k.read(at)
	if err != nil {
		return Plan{}, err
	}
	m, err := k.merged(c, out)
	if err != nil {
		return Plan{}, err
	}
	p := mergePlan{id: k.id, at: at, in: in, was: m.was, cells: c.by()}
	due := m.due(p.cells)
	p.renew(due, m.out)
	if len(due) == 0 && m.refused {
		return Plan{}, kv.ErrNoChange
	}
	for _, name := range slices.Sorted(maps.Keys(due)) {
		if err := p.write(name, due[name]); err != nil {
			return Plan{}, err
		}
	}
	if len(due) > 0 {
		p.reap(due)
	}
	return p.Plan, nil
}

// merger is a value in the making.
type merger struct {
	was, out, change map[string]Piece
	refused          bool // something of out differs from what was, and is older
}

// merged merges what a writer wants into what is there.
func (k *mergeKind[M]) merged(c content, out M) (*merger, error) {
	base, err := k.join(c)
	if err != nil {
		return nil, err
	}
	m := &merger{}
	err = guarded(kv.ErrType, "a value of "+k.id, func() (err error) {
		if m.was, err = k.split(base); err != nil {
			return err
		}
		if m.out, err = k.split(out); err != nil {
			return err
		}
		if len(c.names) == 0 {
			m.change = m.out // there is nothing to merge with, and nothing that could be older
			return nil
		}
		change, err := base.Merge(out.Clone(), true)
		switch {
		case err != nil:
			return fmt.Errorf("merging: %w", err)
		case none(change):
			return nil
		}
		if m.change, err = k.split(change); err != nil {
			return err
		}
		for _, name := range change.MergeContent() {
			if _, ok := m.change[name]; !ok && name != "" { // "" names nothing: dskit's partition ring has some
				return fmt.Errorf("%w: MergeContent names %q, of which Split gives no piece", kv.ErrType, name)
			}
		}
		return nil
	})
	return m, err
}

func (k *mergeKind[M]) split(m M) (map[string]Piece, error) {
	pieces, err := k.shape.Split(m)
	if errors.Is(err, kv.ErrUnsupported) {
		return nil, err // it is of the kind, and nobody here can write it
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", kv.ErrType, err)
	}
	return pieces, nil
}

// due is the pieces to write: what Merge says has changed, unless it is older
// than a removal that Merge does not know of, and what is of the same time as
// what it replaces.
func (m *merger) due(cells map[string]named) map[string]Piece {
	due := make(map[string]Piece)
	for name, p := range m.change {
		if was, has := m.was[name]; has && p.same(was) {
			continue
		}
		if p.Order.At.Before(cells[name].gone().At) {
			m.refused = true
		} else {
			due[name] = p
		}
	}
	for name, p := range m.out {
		was, has := m.was[name]
		if _, changed := m.change[name]; changed || has && p.same(was) {
			continue
		}
		if has && p.Order.sameTime(was.Order) {
			due[name] = p
		} else {
			m.refused = true
		}
	}
	return due
}

// same reports that two pieces say the same.
func (p Piece) same(q Piece) bool {
	return p.Gone == q.Gone && p.Order.sameTime(q.Order) && (p.Gone ||
		p.Order.Rank == q.Order.Rank && bytes.Equal(p.Hot, q.Hot) && bytes.Equal(p.Cold, q.Cold))
}

// mergePlan is a Plan in the making.
type mergePlan struct {
	Plan
	id    string
	at    place
	in    Intent
	was   map[string]Piece
	cells map[string]named
}

// renew adds what would expire and is to last, or to be leased anew.
func (p *mergePlan) renew(due, out map[string]Piece) {
	for name, piece := range out {
		_, is := due[name]
		if hot := p.cells[name].hot; !is && hot != nil && !hot.Tomb && piece.same(p.was[name]) && p.in.Term.renews(hot) {
			due[name] = piece
		}
	}
}

// write plans the cells of one piece.
func (p *mergePlan) write(name string, piece Piece) error {
	if err := kv.CheckKey(name); err != nil {
		return fmt.Errorf("name %q: %w", name, err)
	}
	stem := p.at.prefix + name
	p.Watched = append(p.Watched, stem+"\x00")
	hot := Edit{Addr: cell.Addr(stem + hotPart), Place: piece.Order.place()}
	if piece.Gone {
		hot.Tomb, hot.Body = true, piece.Order.bytes()
		p.Edits = append(p.Edits, hot)
		return nil
	}
	body := hotBody{hot: piece.Hot}
	if cold := p.cold(name, piece); len(cold) > 0 {
		body.cold = p.in.Self
		if s := p.cells[name].cold(p.in.Self); s == nil || p.in.Term == Leased || s.ExpMS() != 0 || !bytes.Equal(s.Body, cold) {
			p.Edits = append(p.Edits, Edit{Addr: appendOrigin(stem+coldPart, p.in.Self), Codec: p.id, Body: cold})
		}
	}
	hot.Codec, hot.Body = p.id, body.bytes()
	p.Edits = append(p.Edits, hot)
	return nil
}

// cold is the cold part to write. What the writer has left as he was given it
// stays as it stands: what Join decided between two pieces is not written back,
// for it would outlive its reason.
func (p *mergePlan) cold(name string, piece Piece) []byte {
	if was, ok := p.was[name]; !ok || !bytes.Equal(was.Cold, piece.Cold) {
		return piece.Cold
	}
	stands, whole, err := p.cells[name].piece()
	if err != nil || !whole {
		return piece.Cold
	}
	return stands.Cold
}

const (
	// reapAfter is the age at which a cold cell goes that belongs to no piece: it
	// may have come before its piece, and its writer may be away.
	reapAfter = 10 * time.Minute
	// reapMost bounds how many go with one write.
	reapMost = 8
)

// reap plans that cold cells go which nobody refers to any more: of writers that
// have been restarted, of names that are gone. Age is by the newest write of the
// key, so that it needs no clock.
func (p *mergePlan) reap(due map[string]Piece) {
	newest, ok := p.at.cells.Newest(p.at.prefix, above(p.at.prefix))
	if !ok {
		return
	}
	line := newest.Ver.T.Milli() - reapAfter.Milliseconds()
	most := len(p.Edits) + reapMost
	for _, name := range slices.Sorted(maps.Keys(p.cells)) {
		if _, written := due[name]; written {
			continue
		}
		for _, s := range p.cells[name].orphans(line) {
			if len(p.Edits) == most {
				return
			}
			p.Edits = append(p.Edits, Edit{Addr: s.Addr, Tomb: true, Observed: true})
			p.Watched = append(p.Watched, string(s.Addr))
		}
	}
}

// orphans lists the cold cells that are older than a line and belong to nothing
// younger.
func (n named) orphans(line int64) (out []*cell.Stored) {
	var kept cell.Origin
	switch {
	case n.hot == nil:
	case n.hot.Tomb && n.hot.Ver.T.Milli() > line:
		return nil
	case !n.hot.Tomb:
		h, err := openHot(n.hot.Body)
		if err != nil {
			return nil
		}
		kept = h.cold
	}
	for _, s := range n.colds {
		if coldOf(s) != kept && s.Ver.T.Milli() <= line {
			out = append(out, s)
		}
	}
	return out
}
