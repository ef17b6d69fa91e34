package crdttest_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/starlingkv/starling/crdt"
	"github.com/starlingkv/starling/crdt/crdttest"
	"github.com/starlingkv/starling/kv"
)

// part is a value in two parts, the second of which is not always there.
type part struct {
	Hot  int
	Cold string
}

type parted struct{ kv.Codec }

func (parted) Parts(v part) ([][]byte, error) {
	hot, err := json.Marshal(v.Hot)
	if v.Cold == "" {
		return [][]byte{hot, nil}, err
	}
	return [][]byte{hot, []byte(v.Cold)}, err
}

func (parted) Join(parts [][]byte) (v part, err error) {
	v.Cold = string(parts[1])
	return v, json.Unmarshal(parts[0], &v.Hot)
}

// hotParted is parted, and takes the first part by itself.
type hotParted struct{ parted }

func (hotParted) Hot(v part) ([]byte, error) { return json.Marshal(v.Hot) }

func (hotParted) SameCold(a, b part) bool { return a.Cold == b.Cold }

func (hotParted) WithHot(v part, hot []byte) (part, error) {
	err := json.Unmarshal(hot, &v.Hot)
	return v, err
}

var _ crdt.HotParted[part] = hotParted{}

var (
	texts  = crdt.MapOf[string](kv.String)
	pairs  = crdt.MapOf[part](parted{kv.JSON[part]("part")})
	beats  = crdt.MapOf[part](hotParted{parted{kv.JSON[part]("beat")}})
	labels = crdt.SetOf[string](kv.String)
	ids    = crdt.SetOf[int](kv.JSON[int]("int"))
)

// as is a value to go on with: the present one, a new one if there is none, and
// sometimes a new one anyhow.
func as[S any](r *rand.Rand, present any) *S {
	if v, ok := present.(*S); ok && r.IntN(12) > 0 {
		return v
	}
	return new(S)
}

func word(r *rand.Rand) string {
	return []string{"", "a", "b", `"q"`, "7", "null", `{"$base64":"YQ=="}`, "\xff\x01", " x", "[1, 2]", "$base64"}[r.IntN(11)]
}

func field(r *rand.Rand) string { return []string{"a", "ab", "b", "ü/<&>"}[r.IntN(4)] }

func genTexts(r *rand.Rand, present any) any {
	m := as[crdt.Map[string]](r, present)
	for range r.IntN(3) {
		if r.IntN(4) == 0 {
			m.Delete(field(r))
		} else {
			m.Set(field(r), word(r))
		}
	}
	return m
}

func genPairs(r *rand.Rand, present any) any {
	m := as[crdt.Map[part]](r, present)
	v, _ := m.Get(field(r))
	if v.Hot = r.IntN(9); r.IntN(3) == 0 {
		v.Cold = []string{"", "c", "d"}[r.IntN(3)]
	}
	if m.Set(field(r), v); r.IntN(4) == 0 {
		m.Delete(field(r))
	}
	return m
}

func genLabels(r *rand.Rand, present any) any {
	s := as[crdt.Set[string]](r, present)
	for range r.IntN(3) {
		if r.IntN(2) == 0 {
			s.Remove(word(r))
		} else {
			s.Add(word(r))
		}
	}
	return s
}

func genIDs(r *rand.Rand, present any) any {
	s := as[crdt.Set[int]](r, present)
	if s.Add(r.IntN(4)); r.IntN(2) == 0 {
		s.Remove(r.IntN(4))
	}
	return s
}

func genCounter(r *rand.Rand, present any) any {
	c := as[crdt.Counter](r, present)
	c.Add(int64(r.IntN(20) - 8))
	return c
}

func genMax(r *rand.Rand, present any) any {
	m := as[crdt.Max](r, present)
	m.Observe(int64(r.IntN(100) - 50))
	return m
}

func genText(r *rand.Rand, _ any) any { return word(r) }

func TestLaws(t *testing.T) {
	for _, c := range []struct {
		kind crdt.Kind
		gen  crdttest.Gen
	}{
		{texts, genTexts},
		{pairs, genPairs},
		{beats, genPairs},
		{labels, genLabels},
		{ids, genIDs},
		{crdt.Counters(), genCounter},
		{crdt.Maxima(), genMax},
		{crdt.Register(kv.String), genText},
		{rosters, rosterGen()},
	} {
		t.Run(c.kind.ID(), func(t *testing.T) {
			t.Parallel()
			crdttest.Laws(t, c.kind, c.gen)
			campaign(t, c.kind, c.gen)
		})
	}
}

var cases = flag.Uint64("cases", crdttest.Cases, "how many cases of each kind are played: make laws")

// campaign plays the cases that go beyond those of every run.
func campaign(t *testing.T, kind crdt.Kind, gen crdttest.Gen) {
	for seed := uint64(crdttest.Cases); seed < *cases; seed++ {
		if err := crdttest.Check(seed, kind, gen); err != nil {
			t.Fatalf("case %d: %v", seed, err)
		}
	}
	t.Logf("%d cases keep every law", max(*cases, crdttest.Cases))
}

// bent is a kind with a fault.
type bent struct {
	crdt.Merging
	view func(v any, cells crdt.Cells) (any, error)
	plan func(crdt.Plan) crdt.Plan
	cod  kv.Codec
}

func (b bent) View(cells crdt.Cells, key string) (any, error) {
	v, err := b.Merging.View(cells, key)
	if b.view != nil && err == nil {
		return b.view(v, cells)
	}
	return v, err
}

func (b bent) Plan(in crdt.Intent) (crdt.Plan, error) {
	p, err := b.Merging.Plan(in)
	if b.plan != nil {
		p = b.plan(p)
	}
	return p, err
}

func (b bent) Codec() kv.Codec {
	if b.cod != nil {
		return b.cod
	}
	return b.Merging.Codec()
}

// lossy is a codec that forgets a field.
type lossy struct{ kv.Codec }

func (c lossy) Decode(b []byte) (any, error) {
	v, err := c.Codec.Decode(b)
	if m, ok := v.(*crdt.Map[string]); ok {
		m.Delete("ab")
	}
	return v, err
}

// TestLawsBite: each law is broken by a kind, and named.
func TestLawsBite(t *testing.T) {
	var shared any
	for _, c := range []struct {
		name string
		kind crdt.Kind
		want string // the law
	}{
		{"a part is not written", bent{Merging: texts, plan: func(p crdt.Plan) crdt.Plan {
			p.Edits = p.Edits[:len(p.Edits)*2/3]
			return p
		}}, "reading"},
		{"everybody gets one value", bent{Merging: texts, view: func(v any, _ crdt.Cells) (any, error) {
			if shared == nil || v == nil {
				shared = v
			}
			return shared, nil
		}}, "scribbling"},
		{"the value depends on what came last", bent{Merging: texts, view: func(v any, cells crdt.Cells) (any, error) {
			last, _ := cells.Newest("", "")
			if m, ok := v.(*crdt.Map[string]); ok && last.Tomb && last.Ver.O == 3 {
				m.Set("last", "tombstone")
			}
			return v, nil
		}}, "converging"},
		{"who hears of a write sees it later", seenLate(), "hearing of a write"},
		{"a field does not survive", bent{Merging: texts, cod: lossy{texts.Codec()}}, "encoding"},
		{"a view that fails", bent{Merging: texts, view: func(v any, _ crdt.Cells) (any, error) {
			return v, errors.New("no view")
		}}, "reading"},
		{"writes what is there", bent{Merging: texts, plan: func(p crdt.Plan) crdt.Plan {
			p.Edits = append(p.Edits, crdt.Edit{Addr: "k\x00mz\x00\x00", Tomb: true})
			return p
		}}, "writing"},
	} {
		if err := breach(c.kind, c.want); err == nil || strings.Contains(err.Error(), "%!") {
			t.Errorf("%s: %v, want a breach of %q", c.name, err, c.want)
		}
	}
}

// seenLate is a kind of which the fourth look after a write does not see what it
// should: in the end, that of whoever has heard of it.
func seenLate() crdt.Kind {
	looks := 0
	return bent{
		Merging: texts,
		plan:    func(p crdt.Plan) crdt.Plan { looks = 0; return p },
		view: func(v any, _ crdt.Cells) (any, error) {
			if m, ok := v.(*crdt.Map[string]); ok {
				if looks++; looks == 4 {
					m.Set("late", "")
				}
			}
			return v, nil
		},
	}
}

// genSome leaves the value as it is now and then.
func genSome(r *rand.Rand, present any) any {
	if r.IntN(3) == 0 {
		return nil
	}
	return genTexts(r, present)
}

// breach is the first of a law.
func breach(kind crdt.Kind, law string) error {
	for seed := range uint64(300) {
		if err := crdttest.Check(seed, kind, genSome); err != nil && strings.HasPrefix(err.Error(), law) {
			return err
		}
	}
	return nil
}

// TestConvergenceBites: cells of which not all replicas make the same.
func TestConvergenceBites(t *testing.T) {
	n := 0
	flaky := bent{Merging: labels, view: func(v any, _ crdt.Cells) (any, error) {
		if s, ok := v.(*crdt.Set[string]); ok {
			if n++; n%97 == 0 {
				s.Add(fmt.Sprint(n))
			}
		}
		return v, nil
	}}
	for seed := range uint64(300) {
		if err := crdttest.Check(seed, flaky, genLabels); err != nil {
			return
		}
	}
	t.Error("nothing was noticed")
}
