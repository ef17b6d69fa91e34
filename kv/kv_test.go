package kv_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/starlingkv/starling/kv"
)

func TestCheckKey(t *testing.T) {
	for _, key := range []string{
		"a", " ", "/registry/x", "a//b", "a/../b", ".", "..", "é", "\u2028", "\U0010ffff", "\ufffd",
		strings.Repeat("k", kv.MaxKey), strings.Repeat("é", kv.MaxKey/2),
	} {
		if err := kv.CheckKey(key); err != nil {
			t.Errorf("%.20q: got %v, want nil", key, err)
		}
	}
	for _, key := range []string{
		"", strings.Repeat("k", kv.MaxKey+1), "\xff", "a\xc3", "a\x00b", "\n", "a\x1f", "\x7f", "a\u0080", "\u009f",
	} {
		if err := kv.CheckKey(key); !errors.Is(err, kv.ErrBadKey) {
			t.Errorf("%.20q: got %v, want ErrBadKey", key, err)
		}
	}
}

func TestCodecsRoundTrip(t *testing.T) {
	type S struct{ A, B int }
	for name, tt := range map[string]struct {
		codec kv.Codec
		v     any
		bytes string
	}{
		"bytes":        {kv.Bytes, []byte{0, 255}, "\x00\xff"},
		"no bytes":     {kv.Bytes, []byte(nil), ""},
		"string":       {kv.String, "a\xff", "a\xff"},
		"empty string": {kv.String, "", ""},
		"struct":       {kv.JSON[S]("s"), S{1, 2}, `{"A":1,"B":2}`},
		"pointer":      {kv.JSON[*S]("s"), &S{1, 2}, `{"A":1,"B":2}`},
		"map":          {kv.JSON[map[string]int]("m"), map[string]int{"b": 1, "a": 2}, `{"a":2,"b":1}`},
	} {
		b, err := kv.EncodeWith(tt.codec, tt.v)
		if err != nil || string(b) != tt.bytes {
			t.Errorf("%s: encoded %q, %v, want %q", name, b, err, tt.bytes)
		}
		v, err := kv.DecodeWith(tt.codec, b)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if again, err := kv.EncodeWith(tt.codec, v); err != nil || string(again) != tt.bytes {
			t.Errorf("%s: again %q, %v, want %q", name, again, err, tt.bytes)
		}
	}
	if got := kv.JSON[int]("my id").CodecID() + kv.Bytes.CodecID() + kv.String.CodecID(); got != "my idbytesstring" {
		t.Errorf("ids %q", got)
	}
}

func TestBytesAreNotTheCallers(t *testing.T) {
	mine := []byte("mine")
	b, err := kv.Bytes.Encode(mine)
	if err != nil {
		t.Fatal(err)
	}
	mine[0] = 'X'
	if string(b) != "mine" {
		t.Errorf("the encoded bytes changed with the caller's slice: %q", b)
	}
	stored := append([]byte("stored"), "behind"...)
	v, err := kv.Bytes.Decode(stored[:6])
	if err != nil {
		t.Fatal(err)
	}
	_ = append(v.([]byte), 'X')
	if string(stored) != "storedbehind" {
		t.Errorf("an append reached behind the value: %q", stored)
	}
}

// rogue is a codec that does what it must not.
type rogue struct {
	v     any
	err   error
	panic any
}

func (r rogue) CodecID() string { return "rogue" }

func (r rogue) Encode(any) ([]byte, error) {
	if r.panic != nil {
		panic(r.panic)
	}
	return nil, r.err
}

func (r rogue) Decode([]byte) (any, error) {
	if r.panic != nil {
		panic(r.panic)
	}
	return r.v, r.err
}

func TestACodecMayFailOrPanic(t *testing.T) {
	own := errors.New("own")
	type S struct{}
	for name, c := range map[string]kv.Codec{"fails": rogue{err: own}, "both": rogue{v: 1, err: own}} {
		if v, err := kv.DecodeWith(c, nil); v != nil || !errors.Is(err, kv.ErrDecode) || !errors.Is(err, own) {
			t.Errorf("%s: decoded %v, %v, want ErrDecode and its own error", name, v, err)
		}
		if _, err := kv.EncodeWith(c, 1); !errors.Is(err, kv.ErrType) || !errors.Is(err, own) {
			t.Errorf("%s: encoded %v, want ErrType and its own error", name, err)
		}
	}
	for name, c := range map[string]kv.Codec{
		"panics": rogue{panic: "boom"}, "nil": rogue{}, "json": kv.JSON[int]("n"), "null": kv.JSON[*S]("s"),
	} {
		b := []byte(" null\n")
		if v, err := kv.DecodeWith(c, b); v != nil || !errors.Is(err, kv.ErrDecode) {
			t.Errorf("%s: decoded %v, %v, want ErrDecode", name, v, err)
		}
	}
	for name, tt := range map[string]struct {
		c kv.Codec
		v any
	}{
		"panics": {rogue{panic: own}, 1}, "NaN": {kv.JSON[float64]("f"), math.NaN()}, "nil pointer": {kv.JSON[*S]("s"), (*S)(nil)},
		"no bytes": {kv.Bytes, "s"}, "no string": {kv.String, []byte("b")}, "no int": {kv.JSON[int]("n"), int64(1)},
		"nothing": {kv.JSON[any]("a"), nil},
	} {
		if _, err := kv.EncodeWith(tt.c, tt.v); !errors.Is(err, kv.ErrType) {
			t.Errorf("%s: got %v, want ErrType", name, err)
		}
	}
}

func TestOptionsResolve(t *testing.T) {
	ctx := kv.WithTTL(t.Context(), time.Minute)
	for name, tt := range map[string]struct {
		w              kv.Write
		ttl            time.Duration
		absent, v1, v2 bool // what it admits
	}{
		"put":                 {kv.PutWrite(t.Context()), 0, true, true, true},
		"put, TTL of ctx":     {kv.PutWrite(ctx), time.Minute, true, true, true},
		"put, own TTL":        {kv.PutWrite(ctx, kv.TTL(time.Second)), time.Second, true, true, true},
		"put, no TTL":         {kv.PutWrite(ctx, kv.TTL(-1)), 0, true, true, true},
		"put, no TTL of ctx":  {kv.PutWrite(kv.WithTTL(ctx, -1)), 0, true, true, true},
		"put if version":      {kv.PutWrite(t.Context(), kv.IfVersion("1")), 0, false, true, false},
		"put if absent":       {kv.PutWrite(t.Context(), kv.IfAbsent()), 0, true, false, false},
		"put if no version":   {kv.PutWrite(t.Context(), kv.IfVersion("")), 0, true, false, false},
		"the last one counts": {kv.PutWrite(t.Context(), kv.IfAbsent(), kv.IfVersion("2")), 0, false, false, true},
		"remove":              {kv.RemoveWrite(), 0, true, true, true},
		"remove if version":   {kv.RemoveWrite(kv.IfVersion("2")), 0, false, false, true},
		"zero":                {kv.Write{}, 0, true, false, false},
	} {
		if tt.w.TTL != tt.ttl {
			t.Errorf("%s: TTL %v, want %v", name, tt.w.TTL, tt.ttl)
		}
		if tt.w.Admits("") != tt.absent || tt.w.Admits("1") != tt.v1 || tt.w.Admits("2") != tt.v2 {
			t.Errorf("%s: admits %v %v %v", name, tt.w.Admits(""), tt.w.Admits("1"), tt.w.Admits("2"))
		}
		if _, conditional := tt.w.Expected(); conditional == (tt.absent && tt.v1) {
			t.Errorf("%s: conditional %v", name, conditional)
		}
	}
	if v, conditional := kv.PutWrite(ctx, kv.IfVersion("1")).Expected(); v != "1" || !conditional {
		t.Errorf("expects %q, %v", v, conditional)
	}
}

func TestRequireNamesWhatIsMissing(t *testing.T) {
	o := newOneKey()
	o.can = kv.Capabilities{OrderedWatch: true, TTL: true}
	c := kv.NewBase(o, kv.String, nil)
	if err := kv.Require(c, kv.OrderedWatch, kv.Expiry); err != nil {
		t.Error(err)
	}
	if err := kv.Require(c); err != nil {
		t.Error(err)
	}
	err := kv.Require(c, kv.Persistent, kv.OrderedWatch)
	if !errors.Is(err, kv.ErrUnsupported) || errors.Is(err, kv.ErrNotLinearizable) || !strings.Contains(err.Error(), "persistent") {
		t.Errorf("got %v, want ErrUnsupported for persistent", err)
	}
	err = kv.Require(c, kv.LinearizableCAS, "unheard-of")
	if !errors.Is(err, kv.ErrNotLinearizable) || !errors.Is(err, kv.ErrUnsupported) || !strings.Contains(err.Error(), "unheard-of") {
		t.Errorf("got %v, want both", err)
	}
	if e := (*kv.Error)(nil); !errors.As(err, &e) || e.Op != "require" {
		t.Errorf("got %#v, want a *kv.Error of require", err)
	}
	if err := kv.Require(plain{c}, kv.Expiry); !errors.Is(err, kv.ErrUnsupported) {
		t.Errorf("not Capable: got %v, want ErrUnsupported", err)
	}
	o.can = kv.Capabilities{LinearizableCAS: true, Persistent: true}
	if err := kv.Require(c, kv.LinearizableCAS, kv.Persistent); err != nil {
		t.Error(err)
	}
}

func TestErrors(t *testing.T) {
	if err := kv.Wrap("get", "k", nil); err != nil {
		t.Errorf("Wrap of nil is %v", err)
	}
	inner := kv.Wrap("get", "other", kv.ErrClosed)
	outer := kv.Wrap("cas", "a\nb", inner)
	if got, want := outer.Error(), `cas "a\nb": get "other": the store is closed`; got != want || !errors.Is(outer, kv.ErrClosed) {
		t.Errorf("got %q, want %q", got, want)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if err := kv.Ended(ctx); err != nil {
		t.Errorf("Ended of a live context: %v", err)
	}
	cancel()
	if err := kv.Ended(ctx); err != context.Canceled {
		t.Errorf("got %v, want Canceled itself", err)
	}
}
