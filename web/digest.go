package web

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"time"

	"github.com/starlingkv/starling/kv"
)

// digest says of all keys under a prefix what two nodes can compare: the hash is the same if they hold the same versions of
// the same keys.
type digest struct {
	Prefix string     `json:"prefix"`
	Keys   int        `json:"keys"`
	Bytes  int64      `json:"bytes"`            // of the values whose size is known without making them
	Latest *time.Time `json:"latest,omitempty"` // when the newest of them was written, by the clock of its writer
	Hash   string     `json:"hash"`             // of every key and its version, in key order
}

func (h *Handler) digest(w http.ResponseWriter, r *http.Request) error {
	query, err := queryOf(r, "prefix")
	if err != nil {
		return err
	}
	if err := h.require(r); err != nil {
		return err
	}
	d := digest{Prefix: query.Get("prefix")}
	var latest time.Time
	sum := sha256.New()
	for e, err := range h.reads.Entries(r.Context(), d.Prefix, "", kv.NoValues()) {
		if err != nil && e.Key == "" {
			return err
		}
		d.Keys++
		d.Bytes += int64(e.Size)
		if e.Updated.After(latest) {
			latest = e.Updated
		}
		// A key has no control character, so nothing else reads as this does.
		sum.Write([]byte(e.Key + "\x00" + e.Version + "\x00"))
	}
	d.Latest, d.Hash = timeOf(latest), hex.EncodeToString(sum.Sum(nil))
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("Starling-Consistency", h.consistency())
	return reply(w, http.StatusOK, d)
}
