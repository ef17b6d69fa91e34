package etcdkv

import (
	"fmt"
	"strconv"
	"strings"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/starlingkv/starling/internal/note"
	"github.com/starlingkv/starling/kv"
)

// beside begins the name of a note, after the key: a key has no control characters, so nothing else stands there, and
// between a key and its notes stands no other key.
const beside = "\x00"

// noteKey is where the note of a value stands.
func noteKey(key, codec string) string { return key + beside + codec }

// behind is the first place behind a key and its notes.
func behind(key string) string { return key + "\x01" }

// above is the first place behind all keys with the prefix; that of "" is etcd's word for no end.
func above(prefix string) string {
	if prefix == "" {
		return "\x00"
	}
	return clientv3.GetPrefixRangeEnd(prefix)
}

// bounds returns the range of a selection, from lo up to but without hi.
func bounds(sel kv.Selection) (lo, hi string) {
	if sel.Key != "" {
		return sel.Key, behind(sel.Key)
	}
	lo = sel.Prefix
	if sel.After != "" {
		lo = max(lo, behind(sel.After))
	}
	if lo == "" {
		lo = " " // no key begins with less
	}
	return lo, above(sel.Prefix)
}

// versionOf is the version of what was written with the revision.
func versionOf(cluster uint64, rev int64) string {
	return strconv.FormatUint(cluster, 36) + "-" + strconv.FormatInt(rev, 10)
}

// revisionOf is the revision of a version of this cluster, and never that of a write if it is of another.
func revisionOf(cluster uint64, version string) int64 {
	if version == "" {
		return absent
	}
	name, rev, _ := strings.Cut(version, "-")
	n, err := strconv.ParseInt(rev, 10, 64)
	if err != nil || n <= 0 || cluster == 0 || versionOf(cluster, n) != name+"-"+rev {
		return never
	}
	return n
}

const (
	absent int64 = 0  // the revision that etcd compares for a key that is not there
	never  int64 = -1 // compares equal to nothing
)

// entry is a value and its note.
type entry struct {
	kv.Entry
	rev   int64
	write string // marks the write
}

// assembler puts values and their notes together again. Rows come in the order of keys, or of an event's transaction:
// either way a note comes behind its value.
type assembler struct {
	store   *store
	cluster uint64
}

// take returns the entry whose value is the first row, and the rows behind it and its notes. The entry has no key if the
// row is no value: a note that was left alone, or a key that is none here.
func (a assembler) take(rows []*mvccpb.KeyValue) (entry, []*mvccpb.KeyValue) {
	first, rest := rows[0], rows[1:]
	key := string(first.Key)
	if err := kv.CheckKey(key); err != nil {
		if !strings.Contains(key, beside) {
			a.store.leave(key, err)
		}
		return entry{}, rest
	}
	e := entry{rev: first.ModRevision, Entry: kv.Entry{
		Key: key, Value: raw(first.Value), Version: versionOf(a.cluster, first.ModRevision), Size: len(first.Value),
	}}
	for ; len(rest) > 0 && strings.HasPrefix(string(rest[0].Key), key+beside); rest = rest[1:] {
		if rest[0].ModRevision != e.rev {
			continue // of a value that is no longer there
		}
		n, err := note.Parse(rest[0].Value)
		if err == nil && noteKey(key, n.Codec) != string(rest[0].Key) {
			err = fmt.Errorf("a note of codec %q", n.Codec)
		}
		if err != nil {
			a.store.leave(string(rest[0].Key), err)
			continue
		}
		e.Codec, e.Media, e.Origin = n.Codec, n.Media, n.Origin
		e.Updated, e.Expires, e.write = n.Updated, n.Expires, n.Write
	}
	return e, rest
}

// one returns the entry of a range over one key; its version is empty if the key is absent.
func (a assembler) one(key string, rows []*mvccpb.KeyValue) entry {
	if len(rows) == 0 || string(rows[0].Key) != key {
		return entry{Entry: kv.Entry{Key: key}}
	}
	e, _ := a.take(rows)
	return e
}

// raw is a value that is there, also if it has no bytes.
func raw(b []byte) kv.Raw {
	if b == nil {
		return kv.Raw{}
	}
	return b
}
