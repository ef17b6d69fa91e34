package etcdkv

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/starlingkv/starling/internal/note"
	"github.com/starlingkv/starling/kv"
)

func TestNewRefuses(t *testing.T) {
	one := []string{"h:1"}
	for _, c := range []struct {
		endpoints []string
		opt       Option
		want      string
	}{
		{nil, Origin("x"), "no endpoint"},
		{[]string{"h"}, Origin("x"), `endpoint "h"`},
		{[]string{"h:1", "ftp://h:1"}, Origin("x"), `endpoint "ftp://h:1"`},
		{[]string{"http://h:1/path"}, Origin("x"), "want something like"},
		{[]string{"http://u:secret@h:1"}, Origin("x"), "want something like"},
		{one, Auth("me", ""), "go together"},
		{one, Patience(0), "above zero"},
		{one, MaxRequest(1), "at least"},
		{one, Origin(strings.Repeat("x", 257)), "at most 256"},
	} {
		if _, err := New(c.endpoints, kv.Bytes, c.opt); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want an error about %q", c.endpoints, err, c.want)
		}
	}
	for _, good := range []string{"127.0.0.1:2379", "[::1]:2379", "https://etcd-1:2379", "http://h:1"} {
		c, err := New([]string{good}, kv.Bytes)
		if err != nil {
			t.Errorf("%s: %v", good, err)
			continue
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if _, err := c.Get(t.Context(), "k"); !strings.Contains(fmt.Sprint(err), kv.ErrClosed.Error()) {
			t.Errorf("after Close: %v", err)
		}
	}
}

func TestBounds(t *testing.T) {
	for sel, want := range map[kv.Selection]string{
		{}:                           `" " "\x00"`,
		{Key: "k"}:                   `"k" "k\x01"`,
		{Prefix: "a/"}:               `"a/" "a0"`,
		{Prefix: "a/", After: "a"}:   `"a/" "a0"`,
		{After: "k"}:                 `"k\x01" "\x00"`,
		{Prefix: "a/", After: "a/b"}: `"a/b\x01" "a0"`,
		{Prefix: "\xff\xff"}:         `"\xff\xff" "\x00"`,
	} {
		lo, hi := bounds(sel)
		if got := fmt.Sprintf("%q %q", lo, hi); got != want {
			t.Errorf("%+v: got %s, want %s", sel, got, want)
		}
	}
}

func TestSeconds(t *testing.T) {
	for ttl, want := range map[time.Duration]int64{
		1: 2, time.Second: 2, time.Second + 1: 3, time.Minute: 61, 1<<63 - 1: 9_000_000_000,
	} {
		if got := seconds(ttl); got != want {
			t.Errorf("%v: a lease of %d s, want %d", ttl, got, want)
		}
	}
}

// FuzzVersion: only the version of this cluster is a revision, and only in the one form.
func FuzzVersion(f *testing.F) {
	f.Add(uint64(7), "7-1")
	f.Add(uint64(0), "0-1")
	f.Add(uint64(71), "1z-9223372036854775807")
	f.Fuzz(func(t *testing.T, cluster uint64, version string) {
		switch rev := revisionOf(cluster, version); {
		case rev == absent:
			if version != "" {
				t.Fatalf("%q passes for the version of nothing", version)
			}
		case rev > 0:
			if cluster == 0 || versionOf(cluster, rev) != version {
				t.Fatalf("%q is revision %d of cluster %d", version, rev, cluster)
			}
		case rev != never:
			t.Fatalf("%q is revision %d", version, rev)
		}
	})
}

// FuzzRows: whatever others put into etcd, rows are taken one by one, and only a note of the value's own revision is read.
func FuzzRows(f *testing.F) {
	line, _ := note.Note{Codec: "c", Origin: "me"}.Append(nil)
	f.Add("k", "v", "k\x00c", string(line), int64(3), int64(3))
	f.Add("k", "v", "k\x00c", string(line), int64(3), int64(2))
	f.Add("k\n", "v", "k\x00d", "{}", int64(1), int64(1))
	f.Add("", "", "", "", int64(0), int64(0))
	f.Fuzz(func(t *testing.T, key, value, beside, line string, rev, other int64) {
		of := assembler{store: newStore(config{log: slog.New(slog.DiscardHandler)}), cluster: 9}
		rows := []*mvccpb.KeyValue{
			{Key: []byte(key), Value: []byte(value), ModRevision: rev},
			{Key: []byte(beside), Value: []byte(line), ModRevision: other},
		}
		taken := 0
		for len(rows) > 0 {
			e, rest := of.take(rows)
			if len(rest) >= len(rows) {
				t.Fatal("no row was taken")
			}
			taken += len(rows) - len(rest)
			rows = rest
			if e.Key == "" {
				continue
			}
			if kv.CheckKey(e.Key) != nil || e.Value == nil {
				t.Fatalf("entry %+v", e.Entry)
			}
			if e.Codec != "" && (rev != other || beside != noteKey(e.Key, e.Codec)) {
				t.Fatalf("codec %q of a note %q of revision %d, the value has %d", e.Codec, beside, other, rev)
			}
		}
		if taken != 2 {
			t.Fatalf("%d rows were taken", taken)
		}
	})
}
