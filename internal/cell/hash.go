package cell

import (
	"crypto/sha256"
	"encoding/binary"
)

// Hasher seals the cells of one cluster. It is a value without state and safe
// for concurrent use.
type Hasher struct{ clusterKey [sha256.Size]byte }

// NewHasher returns the Hasher of the cluster with the given name. Its key is
// sha256("starling cluster v1" 00 name), so equal cells of different clusters
// have different hashes.
func NewHasher(cluster string) Hasher {
	return Hasher{sha256.Sum256([]byte("starling cluster v1\x00" + cluster))}
}

// Seal computes the hash of c. It is called once, before c is shared.
//
// The hash is the first 16 bytes of sha256 over, without anything in between:
//
//	cluster key      32 bytes
//	Addr             8 bytes length, then the bytes
//	Ver              T 8, O 8, N 8
//	Ord              8, that is T if the cell has no Ord of its own
//	By               O 8, N 8, zero if unset
//	Born             8, zero if unset
//	Tomb             1, 00 or 01
//	Exp              8, zero if unset
//	codec, ext, Body each: 8 bytes length, then the bytes
//
// All integers are big endian. These bytes are for ever: nodes compare hashes.
// Not in it: Class, which Addr holds; Prev and PrevCut, which a holder may give
// up; and whether the cell has expired, which differs from clock to clock.
func (h *Hasher) Seal(c *Cell) {
	if len(c.Body) > copyLimit {
		h.sealLarge(c)
		return
	}
	b := append(make([]byte, 0, h.size(c)), h.clusterKey[:]...)
	sum := sha256.Sum256(append(h.appendHead(b, c), c.Body...))
	c.hash = [16]byte(sum[:16])
}

// copyLimit is up to which size it is cheaper to hash a copy of the body, in
// one piece with the rest.
const copyLimit = 512

func (h *Hasher) sealLarge(c *Cell) {
	d := sha256.New()
	d.Write(h.clusterKey[:])
	d.Write(h.appendHead(make([]byte, 0, h.size(c)-len(c.Body)), c))
	d.Write(c.Body)
	c.hash = [16]byte(d.Sum(nil)[:16])
}

// size is the number of bytes that are hashed.
func (h *Hasher) size(c *Cell) int {
	const fixed = 8 + 3*8 + 8 + 2*8 + 8 + 1 + 8 + 3*8
	return len(h.clusterKey) + fixed + len(c.Addr) + len(c.Codec) + len(c.ExtBytes()) + len(c.Body)
}

// appendHead appends what is hashed between the cluster key and the body.
func (h *Hasher) appendHead(b []byte, c *Cell) []byte {
	u64 := binary.BigEndian.AppendUint64
	b = u64(b, uint64(len(c.Addr)))
	b = append(b, c.Addr...)
	b = u64(b, uint64(c.Ver.T))
	b = u64(b, uint64(c.Ver.O))
	b = u64(b, c.Ver.N)
	b = u64(b, uint64(c.OrdT()))
	by := c.ByDot()
	b = u64(b, uint64(by.O))
	b = u64(b, by.N)
	b = u64(b, uint64(c.BornT()))
	tomb := byte(0)
	if c.Tomb {
		tomb = 1
	}
	b = append(b, tomb)
	b = u64(b, uint64(c.ExpMS()))
	b = u64(b, uint64(len(c.Codec)))
	b = append(b, c.Codec...)
	ext := c.ExtBytes()
	b = u64(b, uint64(len(ext)))
	b = append(b, ext...)
	return u64(b, uint64(len(c.Body)))
}
