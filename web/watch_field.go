package web

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"net/url"

	"github.com/starlingkv/starling/kv"
)

// selectedField is what a request asks for that names a field: what happens to that, and to nothing else.
func (h *Handler) selectedField(ctx context.Context, query url.Values) (watched, error) {
	key, name := query.Get("key"), query.Get("field")
	switch {
	case !query.Has("key"):
		return watched{}, newProblem(badRequest, "field: the key that it is of is wanted too")
	case name == "":
		return watched{}, newProblem(badRequest, "field: a name is wanted")
	case query.Has("values"):
		return watched{}, newProblem(badRequest, "field or values, not both")
	}
	ctx, cancel := context.WithTimeout(ctx, h.cfg.ReadWait)
	defer cancel()
	if _, err := h.holder(ctx, key, ""); err != nil {
		return watched{}, err
	}
	return watched{
		name:  "field " + name + "\x00" + key,
		field: name,
		events: func(ctx context.Context) iter.Seq2[kv.Event, error] {
			w := fieldWatch{h: h, key: key, name: name}
			return func(yield func(kv.Event, error) bool) { w.run(ctx, yield) }
		},
	}, nil
}

// fieldWatch watches a key without its value, and looks at the field whenever the key has changed: that costs what the
// field is large, where a value would cost what the key is.
type fieldWatch struct {
	h         *Handler
	key, name string

	present bool // as it was told
	last    []byte
}

func (w *fieldWatch) run(ctx context.Context, yield func(kv.Event, error) bool) {
	for ev, err := range w.h.reads.Events(ctx, w.key, kv.OneKey(), kv.NoValues()) {
		if ev.Kind == kv.Reset {
			w.present = false // it is told anew
		}
		news := true
		if err == nil && ev.Key != "" {
			ev, news, err = w.look(ctx, ev)
		}
		if news && !yield(ev, err) || err != nil {
			return
		}
	}
}

// look is what an event of the key says of the field, if it is news.
func (w *fieldWatch) look(ctx context.Context, ev kv.Event) (of kv.Event, news bool, err error) {
	was, last := w.present, w.last
	w.present, w.last = false, nil
	if ev.Kind == kv.Put {
		e, body, err := w.h.field(ctx, w.key, w.name)
		var none *problem // no such key, no such field, or a kind that has none
		switch {
		case err == nil:
			w.present, w.last = true, body
			e.Value = kv.Raw(body)
			return kv.Event{Kind: kv.Put, Entry: e}, !was || !bytes.Equal(last, body), nil
		case !errors.As(err, &none):
			return kv.Event{}, true, err
		}
	}
	return kv.Event{Kind: kv.Delete, Entry: kv.Entry{Key: w.key}}, was, nil
}

// shownField is the entry of a key with the value of one of its fields.
func shownField(e kv.Entry, name string) entry {
	body := bytesIn(e)
	e.Value = nil
	j := shown(e)
	size := len(body)
	j.Field, j.Size = name, &size
	j.put(body)
	return j
}
