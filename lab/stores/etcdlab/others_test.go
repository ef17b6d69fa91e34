package etcdlab

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/etcdkv"
)

// TestOthersReadAndWrite: a cluster that others use too, with etcd's own client.
func TestOthersReadAndWrite(t *testing.T) {
	t.Parallel()
	cluster := Start(t, 1)
	plain, c := cluster.plain(t), open(t, cluster, etcdkv.Origin("me"))
	if _, err := c.Put(t.Context(), "/app/a", []byte("raw \x00 bytes"), kv.Media("text/plain")); err != nil {
		t.Fatal(err)
	}
	now, err := plain.Get(t.Context(), "/app/a")
	if err != nil || len(now.Kvs) != 1 || string(now.Kvs[0].Value) != "raw \x00 bytes" {
		t.Fatalf("others read %v, %v; want the value as it is", now, err)
	}
	ours, _, err := c.Entry(t.Context(), "/app/a")
	if err != nil || ours.Origin != "me" || ours.Media != "text/plain" || ours.Codec != "bytes" || time.Since(ours.Updated) > time.Minute {
		t.Errorf("got %+v, %v", ours, err)
	}

	// What another writes over it has nothing of the old note, and any client reads it.
	if _, err := plain.Put(t.Context(), "/app/a", "theirs"); err != nil {
		t.Fatal(err)
	}
	for _, codec := range []kv.Codec{kv.Bytes, kv.String} {
		e, ok, err := c.With(codec).Entry(t.Context(), "/app/a")
		if err != nil || !ok || fmt.Sprintf("%s", e.Value) != "theirs" || e.Codec != "" || e.Origin != "" || e.Media != "" || !e.Updated.IsZero() || e.Version == ours.Version {
			t.Errorf("%s: got %+v, %v", codec.CodecID(), e, err)
		}
	}
	if err := c.Delete(t.Context(), "/app/a"); err != nil {
		t.Fatal(err)
	}
	if left, err := plain.Get(t.Context(), "\x00", clientv3.WithFromKey()); err != nil || left.Count != 0 {
		t.Errorf("after Delete %d rows are left, %v: %v", left.Count, err, left.Kvs)
	}
}

// TestTheirKeys: what others wrote is listed, but for what is no key here; that is counted and named.
func TestTheirKeys(t *testing.T) {
	t.Parallel()
	cluster := Start(t, 1)
	plain, c := cluster.plain(t), open(t, cluster)
	for _, key := range []string{"a", "a\n", "b", "\x01", "\xff\xfe", "b/c"} {
		if _, err := plain.Put(t.Context(), key, "v"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := plain.Put(t.Context(), "a\x00bytes", "no note"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Put(t.Context(), "b", []byte("v")); err != nil {
		t.Fatal(err)
	}
	// Their delete leaves the note of a value alone.
	if _, err := plain.Delete(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	keys, err := c.List(t.Context(), "")
	if err != nil || !slices.Equal(keys, []string{"a", "b/c"}) {
		t.Errorf("List = %q, %v", keys, err)
	}
	var entries []string
	for e, err := range c.Entries(t.Context(), "", "") {
		entries = append(entries, fmt.Sprintf("%s=%s %v", e.Key, e.Value, err))
	}
	if got := strings.Join(entries, ", "); got != "a=v <nil>, b/c=v <nil>" {
		t.Errorf("Entries = %s", got)
	}
	if n := c.LeftOut(); n != 2 {
		t.Errorf("%d rows counted as left out of one Entries, want 2", n)
	}
}

// TestPages lists more than a page has, of small values and of large ones.
func TestPages(t *testing.T) {
	t.Parallel()
	cluster := Start(t, 1)
	c := open(t, cluster)
	// A row without a note before the pairs: the end of a page comes between a value and its note.
	if _, err := cluster.plain(t).Put(t.Context(), "j", "theirs"); err != nil {
		t.Fatal(err)
	}
	var want []string
	large := []byte(strings.Repeat("x", 100<<10))
	for i := range 300 {
		key := fmt.Sprintf("k%03d", i)
		value := []byte(key)
		if i >= 200 && i < 240 {
			value = large
		}
		if _, err := c.Put(t.Context(), key, value); err != nil {
			t.Fatal(err)
		}
		want = append(want, key)
	}
	var got []string
	for e, err := range c.Entries(t.Context(), "", "") {
		if e.Key == "j" {
			continue
		}
		if err != nil || e.Codec != "bytes" {
			t.Fatalf("%s: codec %q, %v", e.Key, e.Codec, err)
		}
		got = append(got, e.Key)
	}
	if !slices.Equal(got, want) {
		t.Errorf("Entries has %d keys, want %d, each once and in order", len(got), len(want))
	}
	got = nil
	for e := range c.Entries(t.Context(), "k", "k250") {
		got = append(got, e.Key)
	}
	if !slices.Equal(got, want[251:]) {
		t.Errorf("after k250 there are %d, want %d", len(got), len(want[251:]))
	}
}

// TestChangeBehindThePage: while a watcher is told the first state page by page, what it was told already changes.
func TestChangeBehindThePage(t *testing.T) {
	t.Parallel()
	c := open(t, Start(t, 1))
	for i := range 200 {
		if _, err := c.Put(t.Context(), fmt.Sprintf("k%03d", i), []byte("old")); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	told := 0
	for ev, err := range c.Events(ctx, "k") {
		if err != nil {
			t.Fatalf("after %d events: %v", told, err)
		}
		if told++; told == 150 {
			if _, err := c.Put(t.Context(), "k000", []byte("new")); err != nil {
				t.Fatal(err)
			}
		}
		if ev.Key == "k000" && fmt.Sprintf("%s", ev.Value) == "new" {
			break
		}
	}
	if told != 202 { // 200, Synced, and the change
		t.Errorf("told %d events, want 202", told)
	}
}

// TestMaxRequest: what the server was told to take, and the name of what it does not.
func TestMaxRequest(t *testing.T) {
	t.Parallel()
	const most = 300 << 10
	cluster := Start(t, 1, Config{"max-request-bytes": most})
	told, untold := open(t, cluster, etcdkv.MaxRequest(most)), open(t, cluster)
	value := make([]byte, most)
	if _, err := told.Put(t.Context(), "k", value[:told.Capabilities().MaxValue]); err != nil {
		t.Errorf("the largest value: %v", err)
	}
	if _, err := told.Put(t.Context(), "k", value); !errors.Is(err, kv.ErrTooLarge) {
		t.Errorf("a larger one: %v", err)
	}
	_, err := untold.Put(t.Context(), "k", value)
	if !errors.Is(err, kv.ErrTooLarge) || !strings.Contains(err.Error(), cluster.Members[0].Endpoint) {
		t.Errorf("by a client that was not told: %v, want ErrTooLarge that names the server", err)
	}
	cluster = Start(t, 1, Config{"max-request-bytes": 4 << 20})
	wide := open(t, cluster, etcdkv.MaxRequest(4<<20))
	if _, err := wide.Put(t.Context(), "k", make([]byte, wide.Capabilities().MaxValue)); err != nil {
		t.Errorf("a value larger than etcd's default: %v", err)
	}
}

// TestVersionsOfAnotherCluster are never those of this one.
func TestVersionsOfAnotherCluster(t *testing.T) {
	t.Parallel()
	cluster := Start(t, 1)
	a, b := open(t, Start(t, 1)), open(t, cluster)
	va, err := a.Put(t.Context(), "k", []byte("v"))
	if err != nil {
		t.Fatal(err)
	}
	vb, err := b.Put(t.Context(), "k", []byte("v"))
	if err != nil || va == vb {
		t.Fatalf("versions %s and %s, %v: want two", va, vb, err)
	}
	for _, odd := range []string{va, "x", "-", "1-0", "1--1", vb + "0", "0" + vb, "+" + vb} {
		if _, err := b.Put(t.Context(), "k", []byte("w"), kv.IfVersion(odd)); !errors.Is(err, kv.ErrConflict) {
			t.Errorf("version %q: %v", odd, err)
		}
	}
	// A client that has not heard of its cluster yet takes no version on trust.
	fresh := open(t, cluster)
	if _, err := fresh.Put(t.Context(), "k", []byte("w"), kv.IfVersion(va)); !errors.Is(err, kv.ErrConflict) {
		t.Errorf("the version of another cluster: %v", err)
	}
	fresh = open(t, cluster)
	if _, err := fresh.Put(t.Context(), "k", []byte("w"), kv.IfVersion(vb)); err != nil {
		t.Errorf("the version of this one: %v", err)
	}
}
