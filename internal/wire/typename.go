package wire

import "fmt"

var typeNames = map[Type]string{
	TypeDelta: "DELTA", TypeHave: "HAVE", TypeWant: "WANT", TypeAdvert: "ADVERT", TypeFetch: "FETCH",
	TypeBody: "BODY", TypeHello: "HELLO", TypeInSync: "INSYNC", TypeDiffer: "DIFFER", TypeOpen: "OPEN",
	TypeRanges: "RANGES", TypeCells: "CELLS", TypePurge: "PURGE", TypeShown: "SHOWN",
	TypeAccepted: "ACCEPTED", TypeCtx: "CTX", TypeDone: "DONE", TypeBusy: "BUSY", TypeErr: "ERR",
}

// String returns the name of the type in the protocol.
func (t Type) String() string {
	if name, ok := typeNames[t]; ok {
		return name
	}
	return fmt.Sprintf("TYPE(%02x)", byte(t))
}
