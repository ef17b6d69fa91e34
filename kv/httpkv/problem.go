package httpkv

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"

	"github.com/starlingkv/starling/kv"
)

// Problem is an error the server answered with. It wraps the sentinel of package kv that it stands for, if there is one.
type Problem struct {
	Kind           string `json:"-"` // the name of its page: the end of Type
	Type           string `json:"type"`
	Title          string `json:"title"`
	Status         int    `json:"status"`
	Detail         string `json:"detail"`
	Node           string `json:"node"`
	CurrentVersion string `json:"current_version"`
}

// maxProblem bounds what is read of a problem.
const maxProblem = 64 << 10

// sentinels are the kinds of problems that are errors of package kv.
var sentinels = map[string]error{
	"conflict":            kv.ErrConflict,
	"precondition-failed": kv.ErrConflict,
	"no-change":           kv.ErrNoChange,
	"not-ready":           kv.ErrNotReady,
	"closed":              kv.ErrClosed,
	"too-large":           kv.ErrTooLarge,
	"type":                kv.ErrType,
	"decode":              kv.ErrDecode,
	"unsupported":         kv.ErrUnsupported,
	"not-linearizable":    kv.ErrNotLinearizable,
	"clock-skew":          kv.ErrClockSkew,
	"bad-key":             kv.ErrBadKey,
	"name-taken":          kv.ErrNameTaken,
	"unreachable":         kv.ErrUnreachable,
	"unknown":             kv.ErrUnknown,
}

// Error returns what the server said.
func (p *Problem) Error() string {
	if p.Detail == "" {
		return p.Title
	}
	return p.Title + ": " + p.Detail
}

// Unwrap returns the sentinel, nil if the problem stands for none.
func (p *Problem) Unwrap() error { return sentinels[p.Kind] }

// problemOf reads an answer that is no success. One that is no problem comes from something before the server.
func problemOf(resp *http.Response) error {
	p := &Problem{}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxProblem))
	if err == nil && strings.HasPrefix(resp.Header.Get("Content-Type"), "application/problem+json") {
		err = json.Unmarshal(body, p)
	}
	if err != nil || p.Type == "" {
		if resp.StatusCode >= 500 {
			return fmt.Errorf("%w: %s", kv.ErrUnreachable, resp.Status)
		}
		return &Problem{Title: resp.Status, Status: resp.StatusCode, Detail: "this is no answer of a starling server"}
	}
	p.Kind = strings.TrimSuffix(path.Base(p.Type), ".md")
	return p
}
