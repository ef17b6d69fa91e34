package crdttest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/starlingkv/starling/crdt"
	"github.com/starlingkv/starling/internal/cell"
)

const (
	key   = "k"
	steps = 14 // of a case, before everybody hears everything
)

// story is one case.
type story struct {
	rnd      *rand.Rand
	kind     crdt.Kind
	gen      Gen
	replicas []*Replica
	written  []*cell.Cell
}

// Check plays the case of a seed. Its error says which law is broken, and how.
func Check(seed uint64, kind crdt.Kind, gen Gen) error {
	s := &story{rnd: rand.New(rand.NewPCG(seed, 0x1a35)), kind: kind, gen: gen}
	for i := range cell.Origin(3) {
		s.replicas = append(s.replicas, NewReplica(kind, 2+i))
	}
	for range steps {
		if err := s.step(); err != nil {
			return err
		}
	}
	for _, law := range []func(*story) error{(*story).converges, (*story).deltaSuffices, (*story).survivesItsCodec} {
		if err := law(s); err != nil {
			return err
		}
	}
	return nil
}

// step lets one thing happen.
func (s *story) step() error {
	r := s.replicas[s.rnd.IntN(len(s.replicas))]
	switch p := s.rnd.IntN(100); {
	case p < 50:
		cells, err := s.change(r)
		s.written = append(s.written, cells...)
		return err
	case p < 55:
		cells, err := r.remove(key)
		s.written = append(s.written, cells...)
		return err
	case p < 60:
		r.pass(time.Duration(s.rnd.IntN(3000)) * time.Millisecond)
	case len(s.written) > 0:
		r.Hear(s.written[s.rnd.IntN(len(s.written))])
	}
	return nil
}

// change writes once, and holds the writer to it: what is read is what was
// written, and who goes on changing what he has read or written changes nothing.
func (s *story) change(r *Replica) ([]*cell.Cell, error) {
	before, err := r.encoded(key)
	if err != nil {
		return nil, fmt.Errorf("reading: %w", err)
	}
	in, err := r.Read(key)
	if err != nil {
		return nil, fmt.Errorf("reading: %w", err)
	}
	out := s.gen(s.rnd, in)
	if now, err := r.encoded(key); err != nil || now != before {
		return nil, broken(err, "scribbling: changing a value that was read makes %s of %s", now, before)
	}
	if out == nil {
		return nil, nil
	}
	want, err := s.kind.Codec().Encode(out)
	if err != nil {
		return nil, fmt.Errorf("encoding: %w", err)
	}
	cells, err := r.Write(key, out)
	if err != nil {
		return nil, fmt.Errorf("writing: %w", err)
	}
	got, err := r.encoded(key)
	if err != nil {
		return nil, fmt.Errorf("reading: %w", err)
	}
	if got != string(want) && !(got == "absent" && s.empty(want)) {
		return nil, fmt.Errorf("reading: wrote %s, reads %s", want, got)
	}
	s.gen(s.rnd, out)
	if now, err := r.encoded(key); err != nil || now != got {
		return nil, broken(err, "scribbling: changing a value that was written makes %s of %s", now, got)
	}
	return cells, nil
}

// broken says what is wrong, and the error that it came with, if any.
func broken(err error, format string, args ...any) error {
	if err == nil {
		return fmt.Errorf(format, args...)
	}
	return fmt.Errorf(format+": %w", append(args, err)...)
}

// empty reports whether a value is encoded as one that takes no cells.
func (s *story) empty(b []byte) bool {
	v, err := s.kind.Codec().Decode(b)
	if err != nil {
		return false
	}
	cells, err := NewReplica(s.kind, 9).Write(key, v)
	return err == nil && len(cells) == 0
}

// converges: whoever has heard of all writes, however often and in whatever
// order, holds the same.
func (s *story) converges() error {
	late := NewReplica(s.kind, 8)
	s.replicas = append(s.replicas, late)
	// Case 79914 of a register: a replica refused, as it must, what another had written whose clock was 10 s ahead. So
	// everybody hears at the time of the latest.
	latest := int64(0)
	for _, r := range s.replicas {
		latest = max(latest, r.now.Wall)
	}
	for _, r := range s.replicas {
		r.pass(time.Duration(latest-r.now.Wall) * time.Millisecond)
		for _, i := range s.rnd.Perm(len(s.written)) {
			r.Hear(s.written[i])
			if s.rnd.IntN(3) == 0 {
				r.Hear(s.written[s.rnd.IntN(len(s.written))])
			}
		}
	}
	return s.alike("converging", s.replicas...)
}

// alike reports an error unless the replicas hold the same.
func (s *story) alike(law string, replicas ...*Replica) error {
	want, err := replicas[0].encoded(key)
	if err != nil {
		return fmt.Errorf("%s: %w", law, err)
	}
	sum := replicas[0].eng.Root().Tree.Agg().FP
	for _, r := range replicas[1:] {
		switch got, err := r.encoded(key); {
		case err != nil:
			return fmt.Errorf("%s: %w", law, err)
		case got != want:
			return fmt.Errorf("%s: one replica holds %s, another %s", law, want, got)
		case r.eng.Root().Tree.Agg().FP != sum:
			return fmt.Errorf("%s: both hold %s, with different fingerprints", law, want)
		}
	}
	return nil
}

// deltaSuffices: the cells of a write are all that another must hear of.
func (s *story) deltaSuffices() error {
	a, b := s.replicas[0], s.replicas[1]
	for range 3 {
		cells, err := s.change(a)
		if err != nil {
			return err
		}
		slices.Reverse(cells)
		b.Hear(cells...)
		if err := s.alike("hearing of a write", a, b); err != nil {
			return err
		}
	}
	return nil
}

// survivesItsCodec: bytes and cells say the same, and to write what is there is
// to write nothing.
func (s *story) survivesItsCodec() error {
	r := s.replicas[0]
	want, err := r.encoded(key)
	if err != nil || want == "absent" {
		return err
	}
	v, err := s.kind.Codec().Decode([]byte(want))
	if err != nil {
		return fmt.Errorf("decoding %s: %w", want, err)
	}
	again, err := s.kind.Codec().Encode(v)
	if err != nil || string(again) != want {
		return broken(err, "encoding: %s becomes %s", want, again)
	}
	writes, err := r.plan(key, v)
	if err != nil || len(writes) > 0 {
		return broken(err, "writing %s over itself writes %d cells", want, len(writes))
	}
	if _, err := r.Write("copy", v); err != nil {
		return broken(err, "writing %s", want)
	}
	if got, err := r.encoded("copy"); err != nil || got != want && !(got == "absent" && s.empty([]byte(want))) {
		return broken(err, "writing: %s becomes %s", want, got)
	}
	return nil
}
