package httpkv

import (
	"context"
	"iter"
	"slices"
	"strings"

	"github.com/starlingkv/starling/internal/embed"
	"github.com/starlingkv/starling/kv"
)

// stored is a server whose values come as they are stored, for codecs to read. The API tells Maps and Sets for people to
// read: text in them as text, where their codec writes base64.
type stored struct{ *server }

// Load is part of kv.Backend.
func (s stored) Load(ctx context.Context, key string) (kv.Entry, error) {
	e, err := s.server.Load(ctx, key)
	return asStored(e), err
}

// Scan is part of kv.Backend.
func (s stored) Scan(ctx context.Context, sel kv.Selection) iter.Seq2[kv.Entry, error] {
	return func(yield func(kv.Entry, error) bool) {
		for e, err := range s.server.Scan(ctx, sel) {
			if !yield(asStored(e), err) {
				return
			}
		}
	}
}

// Feed is part of kv.Backend.
func (s stored) Feed(ctx context.Context, sel kv.Selection) iter.Seq2[kv.Event, error] {
	return func(yield func(kv.Event, error) bool) {
		for ev, err := range s.server.Feed(ctx, sel) {
			ev.Entry = asStored(ev.Entry)
			if !yield(ev, err) {
				return
			}
		}
	}
}

// asStored is an entry with its value as it is stored.
func asStored(e kv.Entry) kv.Entry {
	raw, has := e.Value.(kv.Raw)
	if !has || len(raw) == 0 || !merges(e.Codec) {
		return e
	}
	e.Value = kv.Raw(embed.Illegible(raw))
	e.Size = len(e.Value.(kv.Raw))
	return e
}

// merges reports whether values of a codec merge, by what its name begins with.
func merges(codec string) bool {
	named := func(kind string) bool { return strings.HasPrefix(codec, kind) && codec != kind }
	return codec == "counter" || codec == "max" || slices.ContainsFunc([]string{"map.", "set.", "merge."}, named)
}
