package wire

import "encoding/binary"

// toEnd is set in the mode byte of the last range, which has no upper bound.
const toEnd = 1 << 7

// RANGES: phase 1 | origins | n uv, each:
//
//	mode 1 | unless b7 of mode: upper bound, shared uv, suffix string | by mode
//	SKIP: nothing | FP: count uv, fp 12 | LIST: n uv, items | WANT: n uv, n x 8
//	item of the tree:    addrHash 8, cellHash 4, T 8, O# uv, N uv
//	item of the context: origin 8, hash 8
//
// The bounds rise; the last range, and only it, has b7. In the context phase
// the table of origins is empty.
func (w *writer) ranges(m *Ranges) error {
	if m.Phase > PhaseCtx {
		return ErrMode
	}
	if len(m.Ranges) == 0 {
		return ErrBounds
	}
	w.byte(byte(m.Phase))
	if m.Phase == PhaseTree {
		for i := range m.Ranges {
			for j := range m.Ranges[i].Items {
				w.origins.note(m.Ranges[i].Items[j].Ver.O)
			}
		}
	}
	w.originTable()
	w.count(len(m.Ranges))
	for i := range m.Ranges {
		rg := &m.Ranges[i]
		if last := i == len(m.Ranges)-1; last != (rg.Upper == "") || !last && rg.Upper <= w.prev {
			return ErrBounds
		}
		if err := w.oneRange(m.Phase, rg); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) oneRange(p Phase, rg *Range) error {
	if rg.Upper == "" {
		w.byte(byte(rg.Mode) | toEnd)
	} else {
		w.byte(byte(rg.Mode))
		w.fold(rg.Upper)
	}
	switch rg.Mode {
	case ModeSkip:
	case ModeFP:
		w.uv(rg.Count)
		w.b = append(w.b, rg.FP[:]...)
	case ModeList:
		w.count(len(rg.Items))
		for i := range rg.Items {
			w.item(p, &rg.Items[i])
		}
	case ModeWant:
		w.count(len(rg.Want))
		for _, h := range rg.Want {
			w.u64(h)
		}
	default:
		return ErrMode
	}
	return nil
}

func (w *writer) item(p Phase, it *Item) {
	if p == PhaseCtx {
		w.u64(uint64(it.Origin))
		w.u64(it.Hash)
		return
	}
	w.u64(it.AddrHash)
	w.b = binary.BigEndian.AppendUint32(w.b, it.CellHash)
	w.ver(it.Ver)
}

func (r *reader) ranges() Msg {
	m := &Ranges{Phase: Phase(r.byte())}
	if m.Phase > PhaseCtx {
		r.fail(ErrMode)
	}
	r.origins()
	n := r.count(1)
	// A Range is larger than its bytes may be, so a count is not trusted with
	// more than what ranges of usual size would need.
	m.Ranges = make([]Range, 0, min(n, len(r.b)/16+1))
	for i := range n {
		rg := r.oneRange(m.Phase)
		if r.err == nil && (i == n-1) != (rg.Upper == "") {
			r.fail(ErrBounds)
		}
		if r.err != nil {
			return nil
		}
		if len(m.Ranges) == cap(m.Ranges) {
			m.Ranges = append(make([]Range, 0, min(n, 2*i)), m.Ranges...)
		}
		m.Ranges = append(m.Ranges, rg)
	}
	if n == 0 {
		r.fail(ErrBounds)
	}
	return m
}

func (r *reader) oneRange(p Phase) Range {
	mode := r.byte()
	rg := Range{Mode: Mode(mode &^ toEnd)}
	if mode&toEnd == 0 {
		before := r.prev
		if rg.Upper = r.unfold(); rg.Upper <= before {
			r.fail(ErrBounds)
		}
	}
	switch rg.Mode {
	case ModeSkip:
	case ModeFP:
		rg.Count = r.uv()
		copy(rg.FP[:], r.take(len(rg.FP)))
	case ModeList:
		rg.Items = r.items(p)
	case ModeWant:
		rg.Want = r.hashes()
	default:
		r.fail(ErrMode)
	}
	return rg
}

func (r *reader) items(p Phase) []Item {
	size := 8 + 4 + 8 + 1 + 1
	if p == PhaseCtx {
		size = 8 + 8
	}
	n := r.count(size)
	if n == 0 {
		return nil
	}
	out := make([]Item, n)
	for i := range out {
		if p == PhaseCtx {
			out[i] = Item{Origin: r.origin8(), Hash: r.u64()}
		} else {
			out[i] = Item{AddrHash: r.u64(), CellHash: r.u32(), Ver: r.ver()}
		}
		if r.err != nil {
			return nil
		}
	}
	return out
}

func (r *reader) u32() uint32 {
	b := r.take(4)
	if b == nil {
		return 0
	}
	return binary.BigEndian.Uint32(b)
}

func (r *reader) hashes() []uint64 {
	n := r.count(8)
	if n == 0 {
		return nil
	}
	out := make([]uint64, n)
	for i := range out {
		out[i] = r.u64()
	}
	return out
}
