package natslab_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/natskv"
	"github.com/starlingkv/starling/lab/stores/natslab"
)

// Values are plain bytes: what starling writes other programs read, and the other way round, deletes too.
func TestOtherProgramsReadAndWrite(t *testing.T) {
	s := natslab.Start(t)
	bucket := fresh()
	c := open(t, s.URL(), natskv.Bucket(bucket), natskv.Origin("me"))
	put(t, c, "a b", "ours")
	theirs, err := plain(t, s).KeyValue(t.Context(), bucket)
	if err != nil {
		t.Fatal(err)
	}
	if e, err := theirs.Get(t.Context(), "a=20b"); err != nil || string(e.Value()) != "ours" {
		t.Errorf("the official client reads %v, %v; want what was written", e, err)
	}
	if e, _, err := c.Entry(t.Context(), "a b"); e.Origin != "me" || err != nil {
		t.Errorf("origin %q, %v; want me", e.Origin, err)
	}
	for _, name := range []string{"x/y", "=41"} {
		if _, err := theirs.PutString(t.Context(), name, "theirs"); err != nil {
			t.Fatal(err)
		}
	}
	if v, err := c.Get(t.Context(), "x/y"); v != "theirs" || err != nil {
		t.Errorf("got %v, %v; want what the official client wrote", v, err)
	}
	// "=41" is how "A" would be written if it had to be: as a key it would be two.
	if keys, err := c.List(t.Context(), ""); err != nil || !slices.Equal(keys, []string{"a b", "x/y"}) {
		t.Errorf("got %q, %v; want the two keys, without the name that is none", keys, err)
	}
	if err := theirs.Delete(t.Context(), "x/y"); err != nil {
		t.Fatal(err)
	}
	if v, err := c.Get(t.Context(), "x/y"); v != nil || err != nil {
		t.Errorf("got %v, %v after the official client deleted it", v, err)
	}
	if err := c.Delete(t.Context(), "a b"); err != nil {
		t.Fatal(err)
	}
	if _, err := theirs.Get(t.Context(), "a=20b"); !errors.Is(err, jetstream.ErrKeyNotFound) {
		t.Errorf("the official client says %v after a delete, want that there is no such key", err)
	}
}

// What a bucket of others cannot keep is said at once, not found out later.
func TestBucketsOfOthers(t *testing.T) {
	s := natslab.Start(t)
	js := plain(t, s)
	for _, config := range []jetstream.KeyValueConfig{{Bucket: "drops", TTL: time.Hour}, {Bucket: "plain", MaxValueSize: 4096}} {
		if _, err := js.CreateKeyValue(t.Context(), config); err != nil {
			t.Fatal(err)
		}
	}
	_, err := open(t, s.URL(), natskv.Bucket("drops")).Put(t.Context(), "k", "v")
	if err == nil || !strings.Contains(err.Error(), "1h0m0s") {
		t.Errorf("a bucket that drops values: %v, want an error that says when", err)
	}
	c := open(t, s.URL(), natskv.Bucket("plain"))
	if can := c.Capabilities(); can.TTL || can.MaxValue != 4096-1024 {
		t.Errorf("got %+v, want no TTL and 3072 bytes", can)
	}
	if _, err := c.Put(t.Context(), "k", "v", kv.TTL(time.Second)); !errors.Is(err, kv.ErrUnsupported) {
		t.Errorf("a TTL where there is none: %v, want ErrUnsupported", err)
	}
	if _, err := c.Put(t.Context(), "k", strings.Repeat("v", 4096)); !errors.Is(err, kv.ErrTooLarge) {
		t.Errorf("more than the bucket takes: %v, want ErrTooLarge", err)
	}
}

// Every key fits into what a server takes for a subject, at its longest too.
func TestTheLongestKeys(t *testing.T) {
	s := natslab.Start(t)
	c := open(t, s.URL(), natskv.Bucket(fresh()))
	for _, key := range []string{strings.Repeat("🦜", 256), strings.Repeat("a.", 512), strings.Repeat(".", 1024), strings.Repeat("=41", 341)} {
		put(t, c, key, "v")
		if v, err := c.Get(t.Context(), key); v != "v" || err != nil {
			t.Errorf("%.20q: got %v, %v", key, v, err)
		}
		if keys, err := c.List(t.Context(), key[:len(key)/2]); err != nil || !slices.Equal(keys, []string{key}) {
			t.Errorf("%.20q: %d keys, %v; want the one", key, len(keys), err)
		}
		if err := c.Delete(t.Context(), key); err != nil {
			t.Error(err)
		}
	}
}
