package elect

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/starlingkv/starling/kv"
)

// recordVersion is the version of the JSON that is written. Its bytes are for ever: testdata/record.json.
const recordVersion = 1

// maxRecord bounds the bytes of a record, and maxID those of the name in it.
const (
	maxRecord = 4 << 10
	maxID     = 256
)

// Bounds of a lease. A longer one from the store is refused: it would keep everybody out for too long.
const (
	minLease = 10 * time.Millisecond
	maxLease = time.Hour
)

// record is what the key of an election holds. It is never deleted, so that its token never goes back.
type record struct {
	V       int    `json:"v"`
	Holder  string `json:"holder"`   // empty: resigned
	Token   uint64 `json:"token"`    // of the holder; every new holder has a greater one
	LeaseMS int64  `json:"lease_ms"` // how long the holder may rest between two beats
	Beat    uint64 `json:"beat"`     // counts the renewals of this token
}

func (r record) lease() time.Duration { return time.Duration(r.LeaseMS) * time.Millisecond }

// leader is what the record says to who observes it.
func (r record) leader() Leader {
	if r.Holder == "" {
		return Leader{}
	}
	return Leader{ID: r.Holder, Token: r.Token}
}

func (r record) encode() ([]byte, error) { return json.Marshal(r) }

// errRecord is the cause of every refused record.
var errRecord = errors.New("not the record of an election: give elections a key of their own")

// parse reads the value of the key; a nil one is the record of an election that nobody has won yet.
func parse(v any) (record, error) {
	if v == nil {
		return record{V: recordVersion}, nil
	}
	b, ok := v.([]byte)
	if !ok {
		return record{}, fmt.Errorf("%w: elections need a client of kv.Bytes, this one holds a %T", kv.ErrType, v)
	}
	if len(b) > maxRecord {
		return record{}, fmt.Errorf("%w: %w: %d bytes", kv.ErrDecode, errRecord, len(b))
	}
	var r record
	if err := json.Unmarshal(b, &r); err != nil {
		return record{}, fmt.Errorf("%w: %w: %w", kv.ErrDecode, errRecord, err)
	}
	switch {
	case r.V < recordVersion:
		return record{}, fmt.Errorf("%w: %w: no version", kv.ErrDecode, errRecord)
	case r.lease() < minLease || r.LeaseMS > maxLease.Milliseconds():
		return record{}, fmt.Errorf("%w: %w: a lease of %d ms", kv.ErrDecode, errRecord, r.LeaseMS)
	case len(r.Holder) > maxID:
		return record{}, fmt.Errorf("%w: %w: a name of %d bytes", kv.ErrDecode, errRecord, len(r.Holder))
	}
	return r, nil
}
