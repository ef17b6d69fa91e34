package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/starlingkv/starling/kv"
)

// ErrorPages is where the type of every problem lives: this, a slug, ".md".
const ErrorPages = "https://github.com/starlingkv/starling/blob/main/docs/errors/"

// kind is a kind of problem: its page and its status.
type kind struct {
	slug   string
	status int
	title  string
}

// The kinds that stand for no sentinel of package kv.
var (
	badRequest         = kind{"bad-request", http.StatusBadRequest, "the request cannot be understood"}
	notFound           = kind{"not-found", http.StatusNotFound, "there is no such thing"}
	preconditionFailed = kind{"precondition-failed", http.StatusPreconditionFailed, "the key has another version"}
	busy               = kind{"busy", http.StatusServiceUnavailable, "the node serves as many as it can"}
	forbidden          = kind{"forbidden", http.StatusForbidden, "this is not allowed"}
	alive              = kind{"alive", http.StatusConflict, "the member is alive"}
	internal           = kind{"internal", http.StatusInternalServerError, "an error of the server"}
)

var (
	tooLarge    = kind{"too-large", http.StatusRequestEntityTooLarge, kv.ErrTooLarge.Error()}
	badKey      = kind{"bad-key", http.StatusBadRequest, kv.ErrBadKey.Error()}
	notReady    = kind{"not-ready", http.StatusServiceUnavailable, kv.ErrNotReady.Error()}
	unsupported = kind{"unsupported", http.StatusNotImplemented, kv.ErrUnsupported.Error()}
	unreachable = kind{"unreachable", http.StatusServiceUnavailable, kv.ErrUnreachable.Error()}
	closed      = kind{"closed", http.StatusServiceUnavailable, kv.ErrClosed.Error()}
)

// kinds is the page and the status of every sentinel. An error that wraps several is of the first kind here.
var kinds = []struct {
	err  error
	kind kind
}{
	{kv.ErrConflict, kind{"conflict", http.StatusPreconditionFailed, kv.ErrConflict.Error()}},
	{kv.ErrNoChange, kind{"no-change", http.StatusConflict, kv.ErrNoChange.Error()}},
	{kv.ErrNotReady, notReady},
	{kv.ErrClosed, closed},
	{kv.ErrTooLarge, tooLarge},
	{kv.ErrBadKey, badKey},
	{kv.ErrDecode, kind{"decode", http.StatusInternalServerError, kv.ErrDecode.Error()}},
	{kv.ErrType, kind{"type", http.StatusConflict, kv.ErrType.Error()}},
	{kv.ErrNotLinearizable, kind{"not-linearizable", http.StatusNotImplemented, kv.ErrNotLinearizable.Error()}},
	{kv.ErrUnsupported, unsupported},
	{kv.ErrClockSkew, kind{"clock-skew", http.StatusServiceUnavailable, kv.ErrClockSkew.Error()}},
	{kv.ErrNameTaken, kind{"name-taken", http.StatusConflict, kv.ErrNameTaken.Error()}},
	{kv.ErrUnknown, kind{"unknown", http.StatusBadGateway, kv.ErrUnknown.Error()}},
	{kv.ErrUnreachable, unreachable},
	// The wait for a node that starts ends with ErrNotReady; only a store takes long besides. And a request is cancelled by
	// its client, who does not read this, or by a server that ends.
	{context.DeadlineExceeded, unreachable},
	{context.Canceled, closed},
}

// problem is an error of the API, in the shape of RFC 9457.
type problem struct {
	kind kind

	Type           string `json:"type"`
	Title          string `json:"title"`
	Status         int    `json:"status"`
	Detail         string `json:"detail,omitempty"`
	Node           string `json:"node,omitempty"`
	Key            string `json:"key,omitempty"`
	CurrentVersion string `json:"current_version,omitempty"`
	Codec          string `json:"codec,omitempty"`        // of the present value, where another was met
	EncodedPath    string `json:"encoded_path,omitempty"` // the path to use instead
}

func newProblem(k kind, detail string) *problem { return &problem{kind: k, Detail: detail} }

// Error returns the detail.
func (p *problem) Error() string { return p.kind.slug + ": " + p.Detail }

// fill completes what follows from the kind.
func (p *problem) fill() {
	p.Type, p.Title = ErrorPages+p.kind.slug+".md", p.kind.title
	if p.Status == 0 {
		p.Status = p.kind.status
	}
}

// problemOf finds the kind of an error.
func problemOf(err error) *problem {
	var p *problem
	if errors.As(err, &p) {
		return p
	}
	var over *http.MaxBytesError
	if errors.As(err, &over) {
		return newProblem(tooLarge, err.Error())
	}
	p = newProblem(internal, err.Error())
	for _, k := range kinds {
		if errors.Is(err, k.err) {
			p.kind = k.kind
			break
		}
	}
	var of *kv.Error
	if errors.As(err, &of) {
		p.Key = of.Key
	}
	return p
}

// fail answers with the problem of err, even if nobody seems to listen: an answer that is not written is a 200. The
// headers of a success that were set already are taken back.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := problemOf(err)
	p.fill()
	p.Node = h.cfg.Node.Name()
	if p.kind == internal {
		h.cfg.Log.Error("request failed", "method", r.Method, "path", r.URL.EscapedPath(), "err", err)
	}
	header := w.Header()
	for _, name := range []string{"Etag", "Last-Modified", "Content-Length"} {
		header.Del(name)
	}
	header.Set("Content-Type", "application/problem+json")
	header.Set("Cache-Control", "no-store")
	if p.Status == http.StatusServiceUnavailable {
		header.Set("Retry-After", "1")
	}
	w.WriteHeader(p.Status)
	_ = encoder(w).Encode(p) // a client that went away gets nothing
}

// reply answers with v as JSON.
func reply(w http.ResponseWriter, status int, v any) error {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = encoder(w).Encode(v)
	return nil
}

// encoder writes JSON as it should be read: "<" is no danger where nothing is HTML.
func encoder(w interface{ Write([]byte) (int, error) }) *json.Encoder {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc
}
