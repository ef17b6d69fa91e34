package natskv

import (
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/starlingkv/starling/internal/note"
	"github.com/starlingkv/starling/kv"
)

// Headers of a message, beside those of JetStream.
const (
	operationHeader = "KV-Operation"  // of every NATS bucket: DEL or PURGE
	noteHeader      = "Starling-Note" // absent: another program wrote it, and any codec may read it
	sizeHeader      = "Nats-Msg-Size" // instead of the body, where only headers were asked for
	opDelete        = "DEL"
)

// record is the last message of a key: its value, or the mark that it is gone.
type record struct {
	key    string
	seq    uint64
	at     time.Time
	header nats.Header
	body   []byte
}

// gone reports whether the key was deleted, by any program, or has expired. No record is gone too.
func (r record) gone() bool {
	return r.seq == 0 || r.header.Get(operationHeader) != "" || r.header.Get(jetstream.MarkerReasonHeader) != ""
}

// version returns the version of the value, "" if there is none.
func (r record) version(b *bucket) string {
	if r.gone() {
		return ""
	}
	return b.version(r.seq)
}

func (b *bucket) version(seq uint64) string { return b.identity + "-" + strconv.FormatUint(seq, 36) }

// entry returns what stands in the record, for a key that is there.
func (r record) entry(b *bucket) kv.Entry {
	if r.gone() {
		return kv.Entry{Key: r.key}
	}
	e := kv.Entry{
		Key:     r.key,
		Value:   kv.Raw(r.body),
		Version: r.version(b),
		Updated: r.at,
		Size:    len(r.body),
	}
	// A note that does not read is another program's: the value is as good without it.
	if n, err := note.Parse([]byte(r.header.Get(noteHeader))); err == nil {
		e.Codec, e.Media, e.Origin, e.Updated = n.Codec, n.Media, n.Origin, n.Updated
	}
	if size, err := strconv.Atoi(r.header.Get(sizeHeader)); err == nil && len(r.body) == 0 {
		e.Size = size
	}
	if ttl, err := time.ParseDuration(r.header.Get(jetstream.MsgTTLHeader)); err == nil && ttl > 0 {
		e.Expires = r.at.Add(ttl)
	}
	return e
}

// longest is a TTL that is as good as none: what the server reckons with would overflow.
const longest = 100 * 365 * 24 * time.Hour

// wholeSeconds returns the TTL as the server can keep it, never a shorter one, and whether it is one at all.
func wholeSeconds(ttl time.Duration) (time.Duration, bool) {
	if ttl <= 0 || ttl > longest {
		return 0, false
	}
	return (ttl + time.Second - 1).Truncate(time.Second), true
}
