package rings_test

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/grafana/dskit/kv/memberlist"
	"github.com/grafana/dskit/ring"

	"github.com/starlingkv/starling/crdt/crdttest"
	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/lab/dskit/rings"
)

var histories = flag.Int("histories", 1000, "random histories to compare with dskit's own merge")

// TestHistories plays random histories on dskit's Merge and on cells at once:
// three members write one ring and hear of each other's writes late, twice, in
// any order. Every member sees the same on both, after every step.
//
// Left out is what has no answer in dskit: two instances with one token, and one
// instance written by two members in one second; dskit's members then stay apart
// (TestHistoriesWithConflicts). And a write that dskit puts off to the next second
// is put off here too.
func TestHistories(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var sum tally
		for seed := range uint64(*histories) {
			h := newHistory(seed, apart)
			for range 30 {
				if err := h.step(); err != nil {
					t.Fatalf("history %d: %v", seed, err)
				}
			}
			if err := h.settle(); err != nil {
				t.Fatalf("history %d: %v", seed, err)
			}
			sum.add(h.tally)
		}
		t.Logf("%d histories: %+v", *histories, sum)
		if sum.Written == 0 || sum.Removed == 0 || sum.Refused == 0 || sum.Older == 0 || sum.Ties == 0 {
			t.Errorf("something never happened: %+v", sum)
		}
	})
}

// TestHistoriesWithConflicts: with tokens that many instances want, and ties, the
// members on cells still come to see the same. dskit's do not always.
func TestHistoriesWithConflicts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		split := 0
		for seed := range uint64(*histories / 4) {
			h := newHistory(seed, contested)
			for range 30 {
				if err := h.step(); err != nil {
					t.Fatalf("history %d: %v", seed, err)
				}
			}
			h.deliverAll()
			for _, m := range h.members {
				if got, want := m.onCells(), h.members[0].onCells(); got != want {
					t.Fatalf("history %d: one member sees %s, another %s", seed, got, want)
				}
				if m.onDskit() != h.members[0].onDskit() {
					split++
					break
				}
			}
		}
		t.Logf("%d of %d histories leave dskit's members apart, and none those on cells", split, *histories/4)
		if split == 0 {
			t.Error("no history leaves dskit's members apart: these conflicts are none")
		}
	})
}

// tokens is whether instances may want the same.
type tokens uint8

const (
	apart tokens = iota
	contested
)

// tally counts what happened.
type tally struct {
	Written, Removed, Refused, Older, Ties int
}

func (t *tally) add(u tally) {
	t.Written += u.Written
	t.Removed += u.Removed
	t.Refused += u.Refused
	t.Older += u.Older
	t.Ties += u.Ties
}

// history is three members with a ring, each on dskit's merge and on cells.
type history struct {
	*rand.Rand
	tally
	tokens  tokens
	members []*member
	sent    []message
	written []*cell.Cell   // of all
	writers map[string]int // by instance and second: who has written it
}

type member struct {
	dskit *ring.Desc
	cells *crdttest.Replica
}

// message is one write, as both send it. With a hot cell comes the cold one that
// it needs, as dskit sends an instance whole: else a member would see the
// instance later here than there.
type message struct {
	change memberlist.Mergeable
	cells  []*cell.Cell
}

func newHistory(seed uint64, tokens tokens) *history {
	h := &history{Rand: rand.New(rand.NewPCG(seed, 0xd5)), tokens: tokens, writers: map[string]int{}}
	for i := range cell.Origin(3) {
		h.members = append(h.members, &member{dskit: ring.NewDesc(), cells: crdttest.NewReplica(rings.DescKind(), 2+i)})
	}
	return h
}

func (h *history) step() error {
	i := h.IntN(len(h.members))
	m := h.members[i]
	switch p := h.IntN(100); {
	case p < 45:
		if err := h.write(i); err != nil {
			return err
		}
	case p < 65:
		<-time.After(time.Duration(h.IntN(1500)) * time.Millisecond)
	case len(h.sent) > 0:
		m.hear(h.sent[h.IntN(len(h.sent))])
	}
	return h.equal(m)
}

// equal reports what a member sees differently on dskit and on cells.
func (h *history) equal(m *member) error {
	if d, c := m.onDskit(), m.onCells(); h.tokens == apart && d != c {
		return fmt.Errorf("on dskit a member sees %s, on cells %s", d, c)
	}
	return nil
}

// settle lets everybody hear everything.
func (h *history) settle() error {
	h.deliverAll()
	late := &member{dskit: h.members[0].dskit, cells: crdttest.NewReplica(rings.DescKind(), 9)}
	for _, i := range h.Perm(len(h.written)) {
		late.cells.Hear(h.written[i])
	}
	h.members = append(h.members, late) // who has heard of each cell by itself
	for _, m := range h.members {
		if err := h.equal(m); err != nil {
			return err
		}
		if got, want := m.onCells(), h.members[0].onCells(); got != want {
			return fmt.Errorf("in the end one member sees %s, another %s", got, want)
		}
	}
	return nil
}

func (h *history) deliverAll() {
	for _, m := range h.members {
		for _, i := range h.Perm(len(h.sent)) {
			m.hear(h.sent[i])
		}
	}
}

func (m *member) hear(msg message) {
	if _, err := m.dskit.Merge(msg.change.Clone(), false); err != nil {
		panic(err)
	}
	m.cells.Hear(msg.cells...)
}

// clone is Clone, of which an empty ring comes back without a map.
func clone(d *ring.Desc) *ring.Desc {
	c := d.Clone().(*ring.Desc)
	if c.Ingesters == nil {
		c.Ingesters = map[string]ring.InstanceDesc{}
	}
	return c
}

func (m *member) onDskit() string {
	d := clone(m.dskit)
	d.RemoveTombstones(time.Time{})
	return text(d)
}

func (m *member) onCells() string {
	v, err := m.cells.Read("ring")
	if err != nil {
		return err.Error()
	}
	d, ok := v.(*ring.Desc)
	if !ok {
		d = ring.NewDesc()
	}
	return text(d)
}

// text is a ring to be read and compared.
func text(d *ring.Desc) string {
	b, err := rings.DescKind().Codec().Encode(d)
	if err != nil {
		return err.Error()
	}
	v, err := rings.DescKind().Codec().Decode(b)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprint(v)
}

// write has a member write, as a CAS does, on both.
func (h *history) write(i int) error {
	m := h.members[i]
	base := clone(m.dskit)
	out := clone(base)
	out.RemoveTombstones(time.Time{})
	before := clone(out)
	name := h.change(out)
	if h.tied(i, name, before, out) {
		h.Ties++
		return nil
	}
	change, err := base.Merge(out.Clone(), true)
	if err != nil {
		return err
	}
	if change == nil {
		h.Refused++
		return h.refusedHere(m, name, out)
	}
	cells, err := m.cells.Write("ring", out)
	switch {
	case h.tokens == contested && errors.Is(err, kv.ErrNoChange):
		return nil // there the two need not know the same
	case err != nil:
		return fmt.Errorf("dskit writes %v, cells do not: %w", change, err)
	}
	m.dskit = base
	h.Written++
	if _, has := out.Ingesters[name]; !has {
		h.Removed++
	}
	h.written = append(h.written, cells...)
	h.sent = append(h.sent, message{change, append(h.needed(cells), cells...)})
	return nil
}

// refusedHere reports a write that is older than what dskit knows of the instance
// and that cells take all the same.
func (h *history) refusedHere(m *member, name string, out *ring.Desc) error {
	in, has := out.Ingesters[name]
	if !has || h.tokens == contested || in.Timestamp >= m.dskit.Ingesters[name].Timestamp {
		return nil // put off by dskit, because it is of the same second
	}
	h.Older++
	if cells, err := m.cells.Write("ring", out); !errors.Is(err, kv.ErrNoChange) {
		return fmt.Errorf("%v is older than %v, and cells write %d: %w", in, m.dskit.Ingesters[name], len(cells), err)
	}
	return nil
}

// needed is the cold cells of the writer that hot ones refer to and that are not
// written along.
func (h *history) needed(cells []*cell.Cell) (colds []*cell.Cell) {
	for _, c := range cells {
		stem := string(c.Addr)[:max(len(c.Addr)-1, 0)] + "\x01"
		for i := len(h.written) - 1; i >= 0 && !c.Tomb; i-- {
			if w := h.written[i]; w.Ver.O == c.Ver.O && strings.HasPrefix(string(w.Addr), stem) {
				colds = append(colds, w)
				break
			}
		}
	}
	return colds
}

// change changes one instance.
func (h *history) change(d *ring.Desc) (name string) {
	i := h.IntN(4)
	name = fmt.Sprint("gi-", i)
	in, has := d.Ingesters[name]
	in.Id = name
	in.Timestamp = time.Now().Unix() - int64(h.IntN(3)) // clocks are behind, by up to two seconds
	switch p := h.IntN(10); {
	case !has || p < 2:
		in.Addr, in.Zone = fmt.Sprint("10.0.0.", h.IntN(4)), fmt.Sprint("zone-", h.IntN(2))
		in.Tokens, in.State = h.draw(i), ring.JOINING
	case p < 7:
		in.State = ring.InstanceState(h.IntN(4))
	case p < 8:
		in.State = ring.LEFT
	default:
		d.RemoveIngester(name)
		return name
	}
	d.Ingesters[name] = in
	return name
}

func (h *history) draw(i int) []uint32 {
	if h.tokens == contested {
		return randomTokens(h.Rand, 0)[:1]
	}
	return randomTokens(h.Rand, uint32(i))
}

// tied reports that another member has written this instance in this second. If
// both leave it, that is no tie, and of one that leaves and one that stays dskit
// knows who wins.
func (h *history) tied(i int, name string, before, out *ring.Desc) bool {
	in, stays := out.Ingesters[name]
	if !stays || in.State == ring.LEFT || h.tokens == contested {
		return false
	}
	if was := before.Ingesters[name]; was.Timestamp >= in.Timestamp {
		return false // dskit takes it for no change
	}
	at := fmt.Sprint(name, " ", in.Timestamp)
	if by, written := h.writers[at]; written && by != i {
		return true
	}
	h.writers[at] = i
	return false
}
