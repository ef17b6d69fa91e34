package wire

import (
	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/hlc"
)

// Type is the frame type byte. Types 0x01..0x0f travel in packets, or on a
// stream of their own where noted; types from 0x10 belong to a session stream.
type Type byte

// The frame types of version 1. A number is never given a second meaning.
const (
	TypeDelta    Type = 0x01
	TypeHave     Type = 0x02
	TypeWant     Type = 0x03
	TypeAdvert   Type = 0x04
	TypeFetch    Type = 0x05
	TypeBody     Type = 0x06
	TypeHello    Type = 0x07
	TypeInSync   Type = 0x08
	TypeDiffer   Type = 0x09
	TypeOpen     Type = 0x10
	TypeRanges   Type = 0x11
	TypeCells    Type = 0x12
	TypePurge    Type = 0x13
	TypeShown    Type = 0x14
	TypeAccepted Type = 0x15
	TypeCtx      Type = 0x16
	TypeDone     Type = 0x17
	TypeBusy     Type = 0x18
	TypeErr      Type = 0x19
)

// Header is what every frame begins with.
type Header struct {
	Origin cell.Origin // the sender's
	Now    hlc.Time    // the sender's clock
	Seq    uint64      // per (sender, receiver); packets only
	Stream bool        // on a stream: no Seq
}

// Frame is one parsed frame.
type Frame struct {
	Header
	Msg Msg // nil if the type is unknown: counted and ignored
}

// Msg is the body of a frame. Messages and what they point to are immutable
// once handed over.
type Msg interface{ Type() Type }

// Span is a range (Lo, Hi] of the members' ring. Lo == Hi is the empty range;
// the whole ring without the member at h is (h, h-1].
type Span struct{ Lo, Hi uint64 }

// Group is the cells of a DELTA that share a range to serve.
type Group struct {
	Span  Span
	Cells []*cell.Cell
}

// Delta carries cells, each with the range that its receiver must serve.
type Delta struct{ Groups []Group }

// Len is the number of cells.
func (d *Delta) Len() int {
	n := 0
	for _, g := range d.Groups {
		n += len(g.Cells)
	}
	return n
}

// Have tells which dots the sender holds. Span is nil in a random digest; in a
// part check it is the part that the receiver would serve.
type Have struct {
	Span *Span
	Runs []cell.Run
}

// Want asks for the cells of dots, echoing the range of the HAVE.
type Want struct {
	Span *Span
	Runs []cell.Run
}

// Ad announces a body that is too large to push: a cell without its Body.
type Ad struct {
	Cell *cell.Cell // Body is nil, and the hash is not that of the whole cell
	Len  uint64
	Hash [32]byte // sha256 of the body
}

// Advert carries ads, all for one range.
type Advert struct {
	Span Span
	Ads  []Ad
}

// AddrVer names one version of one address.
type AddrVer struct {
	Addr cell.Addr
	Ver  cell.Ver
}

// Fetch asks for bodies on a stream.
type Fetch struct{ Items []AddrVer }

// Body is one chunk of a body, on the stream of a FETCH or behind CELLS.
type Body struct {
	AddrVer
	Total, Offset uint64
	Bytes         []byte
}

// Sum is the size and fingerprint of one tree.
type Sum struct {
	Count uint64
	FP    [2]uint64
}

// HelloFlags qualifies a HELLO or OPEN.
type HelloFlags byte

// Flags of HELLO and OPEN.
const (
	HelloJoin  HelloFlags = 1 << 0 // the sender has just come: it has not completed its first sessions yet
	HelloProbe HelloFlags = 1 << 1 // read-only: lists differences, changes nothing
)

// Hello opens a reconciliation, says that two nodes differ, or opens its
// stream: HELLO, DIFFER and OPEN have one layout.
type Hello struct {
	Kind  Type // TypeHello, TypeDiffer or TypeOpen
	Sid   uint64
	Flags HelloFlags
	H     hlc.Time // agreement is judged as of this time
	Tree  Sum
	Ctx   Sum
}

// InSync answers a HELLO whose sums equal the receiver's.
type InSync struct{ Sid uint64 }

// Phase says which of the two trees RANGES speaks of.
type Phase byte

// The two trees.
const (
	PhaseTree Phase = 0
	PhaseCtx  Phase = 1
)

// Mode says what a Range carries.
type Mode byte

// The modes of a range.
const (
	ModeSkip Mode = 0
	ModeFP   Mode = 1
	ModeList Mode = 2
	ModeWant Mode = 3
)

// Item is one entry of a LIST: in the tree phase AddrHash, CellHash and Ver are
// set, in the context phase Origin and Hash.
type Item struct {
	AddrHash uint64
	CellHash uint32
	Ver      cell.Ver
	Origin   cell.Origin
	Hash     uint64
}

// Range is one gap-free piece of the key space. Its lower bound is the upper
// bound of the range before it, or "".
type Range struct {
	Mode  Mode
	Upper string // exclusive; "" means +inf and is only legal in the last range
	Count uint64 // ModeFP
	FP    [12]byte
	Items []Item   // ModeList
	Want  []uint64 // ModeWant: address hashes
}

// Ranges is one leg of the reconciliation of one tree.
type Ranges struct {
	Phase  Phase
	Ranges []Range
}

// Cells carries whole cells in a session. A cell whose body would not fit the
// frame is sent with its body in BODY chunks that follow: Deferred gives their
// indexes in Cells, where Body is nil and Len the length to come.
type Cells struct {
	Cells    []*cell.Cell
	Deferred []Deferral
}

// Deferral is a cell of CELLS whose body follows in BODY chunks.
type Deferral struct {
	Index int
	Len   uint64
}

// Purge tells a peer that dots it still stores were replaced.
type Purge struct{ Items []AddrDot }

// AddrDot names a dot at an address.
type AddrDot struct {
	Addr cell.Addr
	Dot  cell.Dot
}

// Shown says that every cell of the pinned root that the peer lacks was sent.
type Shown struct{ Sent uint64 }

// Accepted answers SHOWN: Yes if no cell was refused.
type Accepted struct {
	Yes     bool
	Refused uint64
}

// Ctx carries entries of the causal context.
type Ctx struct{ Entries []*cell.Entry }

// Done ends a session.
type Done struct{ Changed, Differing uint64 }

// Busy asks the peer to come back.
type Busy struct{ RetryMS uint64 }

// ErrCode says why a peer was refused.
type ErrCode byte

// Codes of ERR.
const (
	CodeSkew    ErrCode = 1
	CodePin     ErrCode = 2
	CodeVersion ErrCode = 3
	CodeLimit   ErrCode = 4
	CodeLabel   ErrCode = 5
	CodeClash   ErrCode = 6
)

// Err refuses a peer by name.
type Err struct {
	Code ErrCode
	Text string
}

// Type implements Msg.
func (*Delta) Type() Type { return TypeDelta }

// Type implements Msg.
func (*Have) Type() Type { return TypeHave }

// Type implements Msg.
func (*Want) Type() Type { return TypeWant }

// Type implements Msg.
func (*Advert) Type() Type { return TypeAdvert }

// Type implements Msg.
func (*Fetch) Type() Type { return TypeFetch }

// Type implements Msg.
func (*Body) Type() Type { return TypeBody }

// Type implements Msg.
func (h *Hello) Type() Type { return h.Kind }

// Type implements Msg.
func (*InSync) Type() Type { return TypeInSync }

// Type implements Msg.
func (*Ranges) Type() Type { return TypeRanges }

// Type implements Msg.
func (*Cells) Type() Type { return TypeCells }

// Type implements Msg.
func (*Purge) Type() Type { return TypePurge }

// Type implements Msg.
func (*Shown) Type() Type { return TypeShown }

// Type implements Msg.
func (*Accepted) Type() Type { return TypeAccepted }

// Type implements Msg.
func (*Ctx) Type() Type { return TypeCtx }

// Type implements Msg.
func (*Done) Type() Type { return TypeDone }

// Type implements Msg.
func (*Busy) Type() Type { return TypeBusy }

// Type implements Msg.
func (*Err) Type() Type { return TypeErr }
