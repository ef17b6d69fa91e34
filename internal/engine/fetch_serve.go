package engine

import (
	"iter"

	"github.com/starlingkv/starling/internal/wire"
)

// bodyChunk is how much of a body one frame carries.
const bodyChunk = 512 << 10

// ServeFetch answers a FETCH out of a Root: the chunks of every body that is
// stored in the version asked for. A version that is not stored any more is
// answered with one empty chunk of an empty body, so that the asker need not
// wait for it. It may be called from anywhere.
func ServeFetch(root *Root, f *wire.Fetch) iter.Seq[*wire.Body] {
	return func(yield func(*wire.Body) bool) {
		for _, it := range f.Items {
			var body []byte
			if s, ok := root.Tree.Get(string(it.Addr)); ok && s.Ver == it.Ver {
				body = s.Body
			}
			total := len(body)
			for off := 0; off == 0 || off < total; off += bodyChunk {
				chunk := body[off:min(off+bodyChunk, total)]
				if !yield(&wire.Body{AddrVer: it, Total: uint64(total), Offset: uint64(off), Bytes: chunk}) {
					return
				}
			}
		}
	}
}
