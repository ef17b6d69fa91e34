package starling

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"iter"
	"time"

	"github.com/starlingkv/starling/crdt"
	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/engine"
	"github.com/starlingkv/starling/kv"
)

// belongs says whose a key is.
type belongs uint8

const (
	absent  belongs = iota
	ours            // it has a value of this kind
	another         // it has values, of other kinds only
)

// found is a key as its visible cells show it. It knows what an entry says but
// has not made it: most readers want one part of it.
type found struct {
	key   string
	fp    [2]uint64    // of all cells
	whole crdt.Whole   // of the cells of the kind
	other *cell.Stored // the last cell of another kind
}

// add takes one more cell of the key.
func (f *found) add(kind crdt.Flat, c *cell.Stored) {
	fp := c.Print()
	f.fp[0] += fp[0]
	f.fp[1] += fp[1]
	if c.Class == kind.Class() {
		f.whole = kind.Whole(f.whole, c)
	} else {
		f.other = c
	}
}

func (f *found) whose() belongs {
	switch {
	case f.whole.Last != nil:
		return ours
	case f.other != nil:
		return another
	}
	return absent
}

// codec is that of the value. No codec has the name that stands for another
// kind: the client gives kv.ErrType.
func (f *found) codec() string {
	if f.whose() == another {
		return fmt.Sprintf("class %c of %s", f.other.Class, f.other.Codec)
	}
	return f.whole.Codec
}

// version is that of the key, empty if it is absent.
func (f *found) version() string {
	if f.whose() == absent {
		return ""
	}
	return version(f.fp)
}

// admits reports whether a write may happen where f stands.
func (f *found) admits(w kv.Write) bool {
	if f.whose() == absent {
		return w.Admits("")
	}
	text := versionText(f.fp)
	return w.Admits(string(text[:]))
}

// version is the fingerprint of the visible cells of a key.
func version(fp [2]uint64) string {
	text := versionText(fp)
	return string(text[:])
}

func versionText(fp [2]uint64) (text [32]byte) {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], fp[0])
	binary.BigEndian.PutUint64(b[8:], fp[1])
	hex.Encode(text[:], b[:])
	return text
}

// find reads one key. Nearly all have few cells.
func (s *store) find(r *engine.Root, key string) found {
	var room [4]*cell.Stored
	lo, hi := cell.KeyRange(key)
	cells := r.Tree.Take(lo, hi, room[:0])
	if len(cells) == len(room) {
		return s.findLong(r, key)
	}
	f := found{key: key}
	for _, c := range cells {
		if c.Visible() {
			f.add(s.kind, c)
		}
	}
	return f
}

// findLong reads a key of many cells.
func (s *store) findLong(r *engine.Root, key string) found {
	lo, hi := cell.KeyRange(key)
	for f := range s.finds(r, lo, hi) {
		return f
	}
	return found{key: key}
}

// finds yields the keys in a range of addresses that have a value, in order.
func (s *store) finds(r *engine.Root, lo, hi string) iter.Seq[found] {
	return func(yield func(found) bool) {
		var f found
		for c := range r.Tree.Range(lo, hi) {
			if !c.Visible() {
				continue
			}
			if k := c.Addr.Key(); k != f.key {
				if f.whose() != absent && !yield(f) {
					return
				}
				f = found{key: k}
			}
			f.add(s.kind, c)
		}
		if f.whose() != absent {
			yield(f)
		}
	}
}

// look is part of source.
func (s *store) look(r *engine.Root, key string) (kv.Entry, belongs) {
	f := s.find(r, key)
	return s.entry(&f), f.whose()
}

// keys is part of source.
func (s *store) keys(r *engine.Root, lo, hi string) iter.Seq2[kv.Entry, belongs] {
	return func(yield func(kv.Entry, belongs) bool) {
		for f := range s.finds(r, lo, hi) {
			if !yield(s.entry(&f), f.whose()) {
				return
			}
		}
	}
}

// entry is all that a node knows of a key.
func (s *store) entry(f *found) kv.Entry {
	whole := f.whole
	switch f.whose() {
	case absent:
		return kv.Entry{Key: f.key}
	case another:
		whole = crdt.Whole{Body: f.other.Body, Last: f.other, Exp: f.other.ExpMS()}
	}
	e := kv.Entry{
		Key:     f.key,
		Value:   kv.Raw(whole.Body),
		Version: f.version(),
		Updated: time.UnixMilli(whole.Last.Ver.T.Milli()),
		Origin:  s.node.nameOf(whole.Last.Ver.O),
		Codec:   f.codec(),
		Size:    len(whole.Body),
	}
	if media := whole.Last.Media(); kv.CheckMedia(media) == nil { // it came from anywhere
		e.Media = media
	}
	if whole.Exp != 0 {
		e.Expires = time.UnixMilli(whole.Exp)
	}
	return e
}

// Load is part of kv.Backend.
func (s *store) Load(ctx context.Context, key string) (kv.Entry, error) {
	if ctx.Value(forWriting{}) != nil {
		if err := s.node.awaitWritable(ctx); err != nil {
			return kv.Entry{}, err
		}
	}
	if err := s.node.usable(); err != nil {
		return kv.Entry{}, err
	}
	e, _ := s.look(s.node.engine.Root(), key)
	return e, nil
}

// LoadRaw is part of kv.RawLoader.
func (s *store) LoadRaw(_ context.Context, key string) (raw kv.Raw, codec string, err error) {
	if err := s.node.usable(); err != nil {
		return nil, "", err
	}
	f := s.find(s.node.engine.Root(), key)
	if f.whose() == absent {
		return nil, "", nil
	}
	if raw = kv.Raw(f.whole.Body); raw == nil {
		raw = kv.Raw{}
	}
	return raw, f.codec(), nil
}

// bounds is the range of addresses of a selection.
func bounds(sel kv.Selection) (lo, hi string) {
	if sel.Key != "" {
		return cell.KeyRange(sel.Key)
	}
	lo, hi = cell.PrefixRange(sel.Prefix)
	if sel.After != "" {
		_, after := cell.KeyRange(sel.After)
		lo = max(lo, after)
	}
	return lo, hi
}

// Scan is part of kv.Backend. It sees one moment, however long it takes.
func (s *store) Scan(ctx context.Context, sel kv.Selection) iter.Seq2[kv.Entry, error] {
	lo, hi := bounds(sel)
	keysOnly := sel.KeysOnly
	return func(yield func(kv.Entry, error) bool) {
		if err := s.node.usable(); err != nil {
			yield(kv.Entry{}, err)
			return
		}
		for f := range s.finds(s.node.engine.Root(), lo, hi) {
			if err := kv.Ended(ctx); err != nil {
				yield(kv.Entry{}, err)
				return
			}
			if f.whose() != ours {
				continue
			}
			e := kv.Entry{Key: f.key}
			if !keysOnly {
				e = s.entry(&f)
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}
