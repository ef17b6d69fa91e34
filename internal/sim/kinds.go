package sim

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/engine"
)

// kinds is clients of sets and counters, in every fourth seed and with the bugs
// that only they can show. They write the cells that package crdt writes, and
// draw from randomness of their own: the other seeds stay what they were.
type kinds struct {
	*drama
	rnd    *rand.Rand
	counts map[cell.Dot]int64 // what each write of a counter added
}

const (
	kindOps   = 90
	setKey    = "set"   // never deleted as a whole
	countKey  = "count" // never deleted as a whole
	mortalKey = "mortal"
	numElems  = 3
)

// planKinds draws when those clients act.
func (d *drama) planKinds(seed uint64) {
	if seed%4 != 0 && d.plant != engine.PlantNoBy && d.plant != engine.PlantByPayload {
		return
	}
	d.kinds = &kinds{drama: d, rnd: rand.New(rand.NewPCG(seed, 0x5e75)), counts: map[cell.Dot]int64{}}
	for range kindOps {
		at := 500*time.Millisecond + time.Duration(d.kinds.rnd.Int64N(int64(chaosUntil-time.Second)))
		d.After(at, d.kinds.act)
	}
}

// act lets one client do one thing.
func (k *kinds) act() {
	m := k.nodes[k.rnd.IntN(len(k.nodes))]
	if !m.running() {
		k.Counts.Op("no node runs")
		return
	}
	switch p := k.rnd.IntN(100); {
	case p < 30:
		k.add(m)
	case p < 60:
		k.remove(m)
	case p < 80:
		k.count(m, countKey)
	case p < 92:
		k.count(m, mortalKey)
	default:
		k.load.remove(m, mortalKey)
	}
}

func elemStem(i int) string { return fmt.Sprintf("%s\x00ee%d\x00", setKey, i) }

func ownAddr(stem string, o cell.Origin) cell.Addr {
	return cell.Addr(binary.BigEndian.AppendUint64([]byte(stem), uint64(o)))
}

func (k *kinds) add(m *Node) {
	a := ownAddr(elemStem(k.rnd.IntN(numElems)), m.eng.Origin())
	k.load.commit(m, "add", engine.Tx{Writes: []engine.Write{{Addr: a, Codec: "set"}}})
}

// remove removes an element as the node sees it.
func (k *kinds) remove(m *Node) {
	var tx engine.Tx
	stem := elemStem(k.rnd.IntN(numElems))
	for s := range m.Root().Tree.Live(stem, stem[:len(stem)-1]+"\x01") {
		tx.Writes = append(tx.Writes, engine.Write{Addr: s.Addr, Tomb: true, Observed: true})
	}
	if len(tx.Writes) == 0 {
		k.Counts.Op("remove from set: absent")
		return
	}
	k.load.commit(m, "remove from set", tx)
}

// count adds to a counter.
func (k *kinds) count(m *Node, key string) {
	n := int64(1 + k.rnd.IntN(9))
	a := ownAddr(key+"\x00c", m.eng.Origin())
	w := engine.Write{Addr: a, Codec: "counter"}
	had := int64(0)
	if s, ok := m.Root().Tree.Get(string(a)); ok && s.Visible() {
		had = counted(s.Cell)
		if w.Born = s.BornT(); w.Born == 0 {
			w.Born = s.OrdT()
		}
	}
	w.Body = binary.AppendUvarint(binary.AppendUvarint(nil, uint64(had+n)), 0)
	if k.load.commit(m, "count", engine.Tx{Writes: []engine.Write{w}}) {
		if s, ok := m.Root().Tree.Get(string(a)); ok {
			k.counts[s.Dot()] = n
		}
	}
}

// counted is what the cell of a counter says.
func counted(c *cell.Cell) int64 {
	up, n := binary.Uvarint(c.Body)
	down, _ := binary.Uvarint(c.Body[max(n, 0):])
	return int64(up - down)
}
