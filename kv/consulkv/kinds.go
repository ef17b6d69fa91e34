package consulkv

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"sync"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/starlingkv/starling/kv"
)

// kindsRow is the row, behind the prefix, that names the kinds of values: codecs, and media types beside them. No key has
// this path: behind its % stands no number.
const kindsRow = "%starling-kinds"

const (
	kindsVersion = 1
	// kindsAge is after how long a writer looks whether its kind still stands in the row: somebody may have deleted it.
	kindsAge = time.Minute
	// maxCodec bounds the name of a codec, so that the row stays far below what Consul takes.
	maxCodec = 128
)

// kind is what the number in a stamp stands for.
type kind struct{ codec, media string }

// kinds is what is known of the row. A number is given once; which, is a matter of the name, so that a row that was
// deleted comes back as it was.
type kinds struct {
	mu      sync.Mutex // guards what follows
	names   map[int]kind
	numbers map[kind]int
	read    time.Time
	missing map[int]uint64 // number -> the row was read after a value of this index had it, and does not name it
}

// kindsFile is the row. Its fields are for ever; later versions may add some.
type kindsFile struct {
	V     int         `json:"v"`
	Kinds []kindsLine `json:"kinds"`
}

type kindsLine struct {
	Number int    `json:"n"`
	Codec  string `json:"codec,omitempty"`
	Media  string `json:"media,omitempty"`
}

func (l kindsLine) kind() kind { return kind{codec: l.Codec, media: l.Media} }

// parseKinds reads the row.
func parseKinds(b []byte) (kindsFile, error) {
	var f kindsFile
	if err := json.Unmarshal(b, &f); err != nil {
		return kindsFile{}, errKinds(err)
	}
	if f.V < kindsVersion {
		return kindsFile{}, errKinds(errors.New("no version"))
	}
	numbers, known := make(map[int]bool), make(map[kind]bool)
	for _, l := range f.Kinds {
		if l.Number < 1 || l.Number > maxKind || numbers[l.Number] || known[l.kind()] {
			return kindsFile{}, errKinds(fmt.Errorf("number %d of %.40q", l.Number, l.Codec))
		}
		if err := l.kind().check(); err != nil {
			return kindsFile{}, errKinds(err)
		}
		numbers[l.Number], known[l.kind()] = true, true
	}
	return f, nil
}

func errKinds(err error) error {
	return fmt.Errorf("the row %q that names the kinds of values: %w: delete it, and writers make it anew", kindsRow, err)
}

// check returns an error for what has no place in the row.
func (k kind) check() error {
	switch {
	case k == kind{}:
		return errors.New("a kind without a name")
	case len(k.codec) > maxCodec:
		return fmt.Errorf("%w: the name of a codec has %d bytes, at most %d", kv.ErrUnsupported, len(k.codec), maxCodec)
	}
	return kv.CheckMedia(k.media)
}

// choose returns the number for a kind that has none yet.
func (f kindsFile) choose(k kind) (int, error) {
	taken := make(map[int]bool, len(f.Kinds))
	for _, l := range f.Kinds {
		taken[l.Number] = true
	}
	h := fnv.New32a()
	h.Write([]byte(k.codec + "\x00" + k.media))
	first := int(h.Sum32() % maxKind)
	for i := range maxKind {
		if n := (first+i)%maxKind + 1; !taken[n] {
			return n, nil
		}
	}
	return 0, fmt.Errorf("%w: more than %d kinds of values", kv.ErrUnsupported, maxKind)
}

// number returns the number of a kind, which it gets if it has none.
func (s *store) number(ctx context.Context, k kind) (n int, err error) {
	if k == (kind{}) {
		return 0, nil
	}
	if err := k.check(); err != nil {
		return 0, err
	}
	s.kinds.mu.Lock()
	n, known := s.kinds.numbers[k]
	fresh := time.Since(s.kinds.read) < kindsAge
	s.kinds.mu.Unlock()
	if known && fresh {
		return n, nil
	}
	err = s.Do(ctx, func(ctx context.Context) (err error) {
		n, err = s.register(ctx, k)
		return err
	})
	return n, err
}

var errRaced = errors.New("others write the row that names the kinds of values")

// register reads the row, adds the kind if it is not there, and returns its number.
func (s *store) register(ctx context.Context, k kind) (int, error) {
	f, index, err := s.readKinds(ctx)
	if err != nil {
		return 0, err
	}
	for _, l := range f.Kinds {
		if l.kind() == k {
			s.kinds.learn(f)
			return l.Number, nil
		}
	}
	n, err := f.choose(k)
	if err != nil {
		return 0, err
	}
	f.V = max(f.V, kindsVersion)
	f.Kinds = append(f.Kinds, kindsLine{Number: n, Codec: k.codec, Media: k.media})
	body, err := json.Marshal(f)
	if err != nil {
		return 0, err
	}
	ok, _, err := s.api.KV().CAS(&api.KVPair{Key: s.prefix + kindsRow, Value: body, ModifyIndex: index}, write(ctx))
	if err != nil {
		return 0, err
	}
	if !ok {
		return 0, errRaced // the next try reads it again
	}
	s.kinds.learn(f)
	return n, nil
}

func (s *store) readKinds(ctx context.Context) (f kindsFile, index uint64, err error) {
	p, _, err := s.api.KV().Get(s.prefix+kindsRow, s.query(ctx))
	if err != nil || p == nil {
		return kindsFile{}, 0, err
	}
	f, err = parseKinds(p.Value)
	if err != nil {
		return kindsFile{}, 0, fmt.Errorf("%w: %w", kv.ErrUnsupported, err)
	}
	return f, p.ModifyIndex, nil
}

func (k *kinds) learn(f kindsFile) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.names, k.numbers = make(map[int]kind, len(f.Kinds)), make(map[kind]int, len(f.Kinds))
	for _, one := range f.Kinds {
		k.names[one.Number], k.numbers[one.kind()] = one.kind(), one.Number
	}
	k.read = time.Now()
}

// name returns the kind of a value, and whether the row has to be read to know it.
func (k *kinds) name(p *api.KVPair) (name kind, ask bool) {
	st, ok := stampOf(p.Flags)
	if !ok || st.kind == 0 {
		return kind{}, false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	name, known := k.names[st.kind]
	return name, !known && k.missing[st.kind] < p.ModifyIndex
}

// learnOf reads the row if one of the pairs needs it. A number that the row does not name is not asked for again until a
// later write has it.
func (s *store) learnOf(ctx context.Context, pairs api.KVPairs) error {
	asked := make(map[int]uint64)
	for _, p := range pairs {
		if _, ask := s.kinds.name(p); ask {
			st, _ := stampOf(p.Flags)
			asked[st.kind] = max(asked[st.kind], p.ModifyIndex)
		}
	}
	if len(asked) == 0 {
		return nil
	}
	f, _, err := s.readKinds(ctx)
	if err != nil {
		return err
	}
	s.kinds.learn(f)
	s.kinds.mu.Lock()
	defer s.kinds.mu.Unlock()
	if s.kinds.missing == nil {
		s.kinds.missing = make(map[int]uint64)
	}
	for n, index := range asked {
		s.kinds.missing[n] = index
	}
	return nil
}
