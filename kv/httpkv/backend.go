package httpkv

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/starlingkv/starling/kv"
)

var _ kv.Backend = (*server)(nil)

// Capabilities is part of kv.Backend. What is not known yet is left to the server to refuse.
func (s *server) Capabilities() kv.Capabilities {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.can != nil {
		return *s.can
	}
	return kv.Capabilities{TTL: true, MaxValue: kv.MaxValue, Media: true}
}

// keyPath is the path of a key: one segment, so that no router on the way cleans it into another.
func keyPath(key string) string {
	if key == "." || key == ".." {
		return "/v1/kv/" + strings.ReplaceAll(key, ".", "%2E")
	}
	return "/v1/kv/" + url.PathEscape(key)
}

// isAbsent reports whether the server said that there is no such key.
func isAbsent(err error) bool {
	var p *Problem
	return errors.As(err, &p) && p.Kind == "not-found"
}

// Load is part of kv.Backend.
func (s *server) Load(ctx context.Context, key string) (kv.Entry, error) {
	return s.load(ctx, key, nil)
}

func (s *server) load(ctx context.Context, key string, query url.Values) (kv.Entry, error) {
	header, body, err := s.exchange(ctx, call{method: http.MethodGet, path: keyPath(key), query: query}, kv.MaxValue)
	if isAbsent(err) {
		return kv.Entry{Key: key}, nil
	}
	if err != nil {
		return kv.Entry{}, err
	}
	e := kv.Entry{
		Key: key, Value: kv.Raw(body), Size: len(body),
		Version: strings.Trim(header.Get("ETag"), `"`),
		Origin:  header.Get("Starling-Origin"),
		Codec:   header.Get("Starling-Codec"),
	}
	if e.Version == "" {
		return kv.Entry{}, errors.New("the answer has no ETag: this is no starling server")
	}
	if m := header.Get("Content-Type"); m != ordinary(e.Codec) && kv.CheckMedia(m) == nil {
		e.Media = m
	}
	// Absent or odd times stay zero: not known.
	e.Updated, _ = time.Parse(time.RFC3339Nano, header.Get("Starling-Updated"))
	e.Expires, _ = time.Parse(time.RFC3339Nano, header.Get("Starling-Expires"))
	return e, nil
}

// ordinary is the media type that the server gives to values whose writer named none, or this.
func ordinary(codec string) string {
	switch {
	case codec == kv.String.CodecID():
		return "text/plain; charset=utf-8"
	case merges(codec):
		return "application/json"
	}
	return "application/octet-stream"
}

// entry is an entry in the server's JSON.
type entry struct {
	Key         string    `json:"key"`
	Version     string    `json:"version"`
	Origin      string    `json:"origin"`
	UpdatedAt   time.Time `json:"updated_at"`
	ExpiresAt   time.Time `json:"expires_at"`
	Size        int       `json:"size"`
	Codec       string    `json:"codec"`
	MediaType   string    `json:"media_type"`
	Value       *string   `json:"value"`
	ValueBase64 []byte    `json:"value_base64"`
}

func (e entry) entry() kv.Entry {
	raw := kv.Raw(e.ValueBase64)
	if e.Value != nil {
		raw = kv.Raw(*e.Value)
	}
	if raw == nil {
		raw = kv.Raw{}
	}
	return kv.Entry{
		Key: e.Key, Value: raw, Version: e.Version, Updated: e.UpdatedAt, Expires: e.ExpiresAt,
		Origin: e.Origin, Codec: e.Codec, Size: e.Size, Media: e.MediaType,
	}
}

// Scan is part of kv.Backend. Each page is one moment, and a later one than that of the page before.
func (s *server) Scan(ctx context.Context, sel kv.Selection) iter.Seq2[kv.Entry, error] {
	query := url.Values{"prefix": {sel.Prefix + sel.Key}, "limit": {"1000"}}
	if sel.KeysOnly || sel.NoValues {
		query.Set("values", "false")
		query.Set("limit", "10000")
	}
	return func(yield func(kv.Entry, error) bool) {
		for after := sel.After; ; {
			query.Set("after", after)
			var page struct {
				Items []entry `json:"items"`
				Next  string  `json:"next"`
			}
			if err := s.json(ctx, http.MethodGet, "/v1/kv?"+query.Encode(), &page); err != nil {
				yield(kv.Entry{}, err)
				return
			}
			for _, e := range page.Items {
				if !yield(e.entry(), nil) {
					return
				}
			}
			if page.Next == "" || page.Next <= after {
				return
			}
			after = page.Next
		}
	}
}

// Store is part of kv.Backend.
func (s *server) Store(ctx context.Context, e kv.Entry, w kv.Write) (version string, err error) {
	return s.store(ctx, e, w, url.Values{})
}

func (s *server) store(ctx context.Context, e kv.Entry, w kv.Write, query url.Values) (version string, err error) {
	raw, _ := e.Value.(kv.Raw)
	c := call{
		method: http.MethodPut, path: keyPath(e.Key), query: query, body: raw,
		header: http.Header{"Content-Type": {cmp.Or(e.Media, ordinary(e.Codec))}},
	}
	if e.Codec != "" {
		c.header.Set("Starling-Codec", e.Codec)
	}
	if e.Media != "" {
		c.header.Set("Starling-Require", string(kv.MediaTypes)) // else a store that keeps none would drop it
	}
	switch version, conditional := w.Expected(); {
	case conditional && version == "":
		c.header.Set("If-None-Match", "*")
	case conditional:
		c.header.Set("If-Match", strconv.Quote(version))
	}
	if w.TTL > 0 {
		query.Set("ttl", w.TTL.String())
	}
	_, body, err := s.exchange(ctx, c, maxProblem)
	if err != nil {
		return "", err
	}
	var written struct {
		Version   string `json:"version"`
		Tombstone bool   `json:"tombstone"` // a Map or a Set of nothing was written, and is not there
	}
	if err := json.Unmarshal(body, &written); err != nil || written.Version == "" && !written.Tombstone {
		return "", fmt.Errorf("the answer to a write is not what a starling server says: %q", body)
	}
	return written.Version, nil
}

// Drop is part of kv.Backend.
func (s *server) Drop(ctx context.Context, key string, w kv.Write) error {
	return s.drop(ctx, key, w, nil)
}

func (s *server) drop(ctx context.Context, key string, w kv.Write, query url.Values) error {
	c := call{method: http.MethodDelete, path: keyPath(key), query: query, header: http.Header{}}
	switch version, conditional := w.Expected(); {
	case conditional && version == "":
		e, err := s.load(ctx, key, query)
		if err == nil && e.Version != "" {
			err = kv.ErrConflict // a present key never has the version of an absent one
		}
		return err
	case conditional:
		c.header.Set("If-Match", strconv.Quote(version))
	}
	_, _, err := s.exchange(ctx, c, maxProblem)
	if isAbsent(err) {
		return nil
	}
	return err
}
