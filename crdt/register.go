package crdt

import (
	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/kv"
)

// classRegister is the class, and the whole place, of a register's one cell.
const classRegister = 'r'

// Register is the kind of values that do not merge: of two concurrent writes
// the newer wins whole. It takes any codec, so that bytes, strings, JSON and
// protobuf just work.
func Register(codec kv.Codec) Flat {
	if codec == nil {
		panic("crdt: nil codec")
	}
	return register{codec}
}

type register struct{ codec kv.Codec }

func (r register) ID() string      { return r.codec.CodecID() }
func (r register) Codec() kv.Codec { return r.codec }
func (register) Class() byte       { return classRegister }
func (register) sealed()           {}

// Whole takes the newest cell. There is one, unless a later version has put
// others of this class beside it.
func (register) Whole(soFar Whole, c *cell.Stored) Whole {
	if soFar.Last != nil && c.Ver.Compare(soFar.Last.Ver) <= 0 {
		return soFar
	}
	return Whole{Body: c.Body, Codec: c.Codec, Last: c, Exp: c.ExpMS()}
}

func (r register) Change(_ []*cell.Stored, body []byte) []Part {
	return []Part{{Sub: string(rune(classRegister)), Codec: r.codec.CodecID(), Body: body}}
}
