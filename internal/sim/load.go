package sim

import (
	"errors"
	"fmt"
	"time"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/engine"
	"github.com/starlingkv/starling/internal/hlc"
)

// load is the clients: a few hundred operations on a few keys, everywhere.
type load struct {
	*drama
	keys []string
	n    int
}

// errRaced is what the clients' checks return when the key changed meanwhile.
var errRaced = errors.New("raced")

// plan draws when clients act.
func (l *load) plan() {
	for i := range 3 + l.rnd.IntN(45) {
		l.keys = append(l.keys, fmt.Sprintf("k/%02d", i))
	}
	ops := 200 + l.rnd.IntN(80)
	for range ops {
		at := 500*time.Millisecond + time.Duration(l.rnd.Int64N(int64(chaosUntil-time.Second)))
		l.After(at, l.act)
	}
	for range 4 {
		l.After(calmUntil+time.Duration(l.rnd.Int64N(int64(chaosUntil-calmUntil))), l.ask)
	}
}

// ask lets somebody ask a node whether all members agree.
func (l *load) ask() {
	if m := l.nodes[l.rnd.IntN(len(l.nodes))]; m.running() {
		l.Counts.Op("probe")
		m.Step(engine.Probe{})
	}
}

// act lets one client do one thing on one node. Some do not notice that their
// node is gone: then it is another's turn.
func (l *load) act() {
	m := l.nodes[l.rnd.IntN(len(l.nodes))]
	for range len(l.nodes) {
		if m.running() {
			break
		}
		m = l.nodes[(m.Index+1)%len(l.nodes)]
	}
	if !m.running() {
		l.Counts.Op("no node runs")
		return
	}
	key := l.keys[l.rnd.IntN(len(l.keys))]
	switch p := l.rnd.IntN(100); {
	case p < 34:
		l.put(m, key)
	case p < 44:
		l.cas(m, key)
	case p < 62:
		l.remove(m, key)
	case p < 70:
		l.field(m, key, 'm')
	case p < 76:
		l.dropField(m, key)
	case p < 80:
		l.field(m, key, 'z') // a class that no version knows yet
	case p < 88:
		l.expiring(m, key)
	case p < 91:
		l.large(m, key)
	case p < 96:
		l.createDeleteCreate(m, key)
	default:
		l.batch(m)
	}
}

// value is a body that no other write has.
func (l *load) value(size int) []byte {
	l.n++
	b := fmt.Appendf(nil, "v%d-", l.n)
	for len(b) < size {
		b = append(b, byte(l.rnd.Uint32()))
	}
	return b
}

// register is the address of a key's plain value.
func register(key string) cell.Addr { return cell.At(key, "r") }

// commit writes and tells the judge; it reports whether it was acknowledged.
func (l *load) commit(m *Node, op string, tx engine.Tx) bool {
	l.judge.writing(m, tx)
	_, err := m.Commit(tx)
	outcome := "ok"
	switch {
	case err == nil:
	case errors.Is(err, engine.ErrNotReady):
		outcome = "not ready"
	case errors.Is(err, hlc.ErrSkew):
		outcome = "clock skew"
	case errors.Is(err, errRaced):
		outcome = "conflict"
	default:
		panic("sim: an error nobody expected: " + err.Error())
	}
	l.judge.wrote(m, tx, err)
	l.Counts.Op(op + ": " + outcome)
	return err == nil
}

func (l *load) put(m *Node, key string) bool {
	return l.commit(m, "put", engine.Tx{Writes: []engine.Write{{Addr: register(key), Codec: "bytes", Body: l.value(10 + l.rnd.IntN(60))}}})
}

// cas reads, thinks for a while, and writes if nothing changed meanwhile.
func (l *load) cas(m *Node, key string) {
	seen, _ := m.Root().Tree.Get(string(register(key)))
	life := m.life
	l.After(time.Duration(l.rnd.IntN(60))*time.Millisecond, func() {
		if !m.running() || m.life != life {
			return
		}
		l.commit(m, "cas", engine.Tx{
			Check: func(r *engine.Root) error {
				now, _ := r.Tree.Get(string(register(key)))
				if (now == nil) != (seen == nil) || now != nil && now.Cell != seen.Cell {
					return errRaced
				}
				return nil
			},
			Writes: []engine.Write{{Addr: register(key), Codec: "bytes", Body: l.value(20)}},
		})
	})
}

// remove deletes a key, if it is there; it reports whether it has.
func (l *load) remove(m *Node, key string) bool {
	lo, hi := cell.KeyRange(key)
	if m.Root().Tree.AggOf(lo, hi).Live == 0 {
		l.Counts.Op("delete: absent")
		return false
	}
	return l.commit(m, "delete", engine.Tx{Writes: []engine.Write{{Addr: cell.FloorOf(key), Tomb: true}}})
}

func (l *load) field(m *Node, key string, class byte) {
	sub := fmt.Sprintf("%cf%d\x00\x00", class, l.rnd.IntN(3))
	l.commit(m, "field "+string(class), engine.Tx{Writes: []engine.Write{{Addr: cell.At(key, sub), Codec: "bytes", Body: l.value(12)}}})
}

// dropField writes a tombstone of one cell, not of the key.
func (l *load) dropField(m *Node, key string) {
	a := cell.At(key, fmt.Sprintf("mf%d\x00\x00", l.rnd.IntN(3)))
	if s, ok := m.Root().Tree.Get(string(a)); !ok || !s.Visible() {
		l.Counts.Op("drop field: absent")
		return
	}
	l.commit(m, "drop field", engine.Tx{Writes: []engine.Write{{Addr: a, Tomb: true}}})
}

func (l *load) expiring(m *Node, key string) {
	exp := m.reading().Wall + int64(500+l.rnd.IntN(15000))
	l.commit(m, "put with ttl", engine.Tx{Writes: []engine.Write{{Addr: register(key), Codec: "bytes", Body: l.value(12), Exp: exp}}})
}

func (l *load) large(m *Node, key string) {
	l.commit(m, "put large", engine.Tx{Writes: []engine.Write{{Addr: register(key), Codec: "bytes", Body: l.value(3000 + l.rnd.IntN(9000))}}})
}

// createDeleteCreate does three writes in one millisecond.
func (l *load) createDeleteCreate(m *Node, key string) {
	if l.put(m, key) {
		l.remove(m, key)
		l.put(m, key)
	}
}

// batch writes several keys in one commit.
func (l *load) batch(m *Node) {
	var tx engine.Tx
	for _, i := range l.rnd.Perm(len(l.keys))[:min(3, len(l.keys))] {
		tx.Writes = append(tx.Writes, engine.Write{Addr: register(l.keys[i]), Codec: "bytes", Body: l.value(12)})
	}
	l.commit(m, "batch", tx)
}
