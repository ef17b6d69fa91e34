package web_test

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"iter"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/httpkv"
	"github.com/starlingkv/starling/kv/memkv"
	"github.com/starlingkv/starling/web"
)

// failing is a store whose operations fail with an error; without one they hang until ctx ends.
type failing struct {
	*memkv.Client
	err error
}

func (f failing) fail(ctx context.Context) error {
	if f.err == nil {
		<-ctx.Done()
		return kv.Ended(ctx)
	}
	return &kv.Error{Op: "test", Key: "k", Err: fmt.Errorf("said by a test: %w", f.err)}
}

// Entry fails.
func (f failing) Entry(ctx context.Context, _ string) (kv.Entry, bool, error) {
	return kv.Entry{}, false, f.fail(ctx)
}

// Entries fails.
func (f failing) Entries(ctx context.Context, _, _ string, _ ...kv.EntriesOption) iter.Seq2[kv.Entry, error] {
	return func(yield func(kv.Entry, error) bool) { yield(kv.Entry{}, f.fail(ctx)) }
}

// Put fails.
func (f failing) Put(ctx context.Context, _ string, _ any, _ ...kv.PutOption) (string, error) {
	return "", f.fail(ctx)
}

// Remove fails.
func (f failing) Remove(ctx context.Context, _ string, _ ...kv.RemoveOption) error {
	return f.fail(ctx)
}

// answers is what becomes of each error of a store: the status, the page, and whether the client is told to come again.
var answers = map[string]struct {
	err    error
	status int
	page   string
	again  bool
}{
	"ErrConflict":        {kv.ErrConflict, 412, "conflict", false},
	"ErrNoChange":        {kv.ErrNoChange, 409, "no-change", false},
	"ErrNotReady":        {kv.ErrNotReady, 503, "not-ready", true},
	"ErrClosed":          {kv.ErrClosed, 503, "closed", true},
	"ErrTooLarge":        {kv.ErrTooLarge, 413, "too-large", false},
	"ErrType":            {kv.ErrType, 409, "type", false},
	"ErrDecode":          {kv.ErrDecode, 500, "decode", false},
	"ErrUnsupported":     {kv.ErrUnsupported, 501, "unsupported", false},
	"ErrNotLinearizable": {kv.ErrNotLinearizable, 501, "not-linearizable", false},
	"ErrClockSkew":       {kv.ErrClockSkew, 503, "clock-skew", true},
	"ErrBadKey":          {kv.ErrBadKey, 400, "bad-key", false},
	"ErrUnreachable":     {kv.ErrUnreachable, 503, "unreachable", true},
	"ErrUnknown":         {kv.ErrUnknown, 502, "unknown", false}, // not again: the write may have happened
	"ErrNameTaken":       {kv.ErrNameTaken, 409, "name-taken", false},
}

// TestErrorsOfTheStore has a store fail with each error there is: the status, the page that says the same, Retry-After
// where trying again helps, and a client over HTTP that gets the very error.
func TestErrorsOfTheStore(t *testing.T) {
	for _, name := range sentinels(t) {
		c, known := answers[name]
		if !known {
			t.Errorf("kv.%s: nothing says how it is answered", name)
			continue
		}
		_, base := serve(t, func(cfg *web.Config) {
			open := cfg.Client
			cfg.Client = func(codec kv.Codec) kv.Client { return failing{open(codec).(*memkv.Client), c.err} }
		})
		for _, what := range []string{"GET /v1/kv/k", "GET /v1/kv?prefix=", "GET /v1/digest?prefix=", "PUT /v1/kv/k?field=f", "PUT /v1/kv/k"} {
			method, path, _ := strings.Cut(what, " ")
			got := call(t, method, base, path, "v")
			got.problem(t, c.status, c.page)
			if again := got.Header.Get("Retry-After") == "1"; again != c.again {
				t.Errorf("kv.%s: %s: Retry-After %q, want one: %v", name, what, got.Header.Get("Retry-After"), c.again)
			}
		}
		text, err := os.ReadFile("../docs/errors/" + c.page + ".md")
		if err != nil || !strings.Contains(string(text), strconv.Itoa(c.status)) {
			t.Errorf("kv.%s: its page does not say %d, %v", name, c.status, err)
		}
		client, err := httpkv.New(base, kv.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.Put(t.Context(), "k", []byte("v")); !errors.Is(err, c.err) {
			t.Errorf("kv.%s: over HTTP it becomes %v", name, err)
		}
		client.Close()
	}
}

// sentinels are the errors that package kv names.
func sentinels(t *testing.T) (names []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../kv/errors.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, is := n.(*ast.ValueSpec); is && strings.HasPrefix(spec.Names[0].Name, "Err") {
			names = append(names, spec.Names[0].Name)
		}
		return true
	})
	if len(names) < 10 {
		t.Fatalf("found only %q: the search is broken", names)
	}
	return names
}

// TestStoreThatDoesNotAnswer asks for what a store says nothing about: the client is not kept for ever.
func TestStoreThatDoesNotAnswer(t *testing.T) {
	for what, want := range map[string]time.Duration{
		"GET /v1/kv/k": 5 * time.Second, "GET /v1/kv/k?field=f": 5 * time.Second, "GET /readyz": 5 * time.Second,
		"PUT /v1/kv/k": 5 * time.Second, "DELETE /v1/kv/k": 5 * time.Second, "DELETE /v1/kv/k?field=f": 5 * time.Second,
		"GET /v1/kv?prefix=": time.Minute, "GET /v1/digest?prefix=": time.Minute,
	} {
		synctest.Test(t, func(t *testing.T) {
			mem := memkv.New(kv.Bytes)
			defer mem.Close()
			h := web.New(web.Config{
				Client: func(c kv.Codec) kv.Client { return failing{Client: mem.With(c)} }, Node: lone{},
			})
			defer h.Close()
			method, target, _ := strings.Cut(what, " ")
			began, w := time.Now(), httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader("v")))
			if took := time.Since(began); took != want || w.Code != http.StatusServiceUnavailable {
				t.Errorf("%s: %d after %v, want 503 after %v: %s", what, w.Code, took, want, w.Body)
			}
			if page := "/unreachable.md"; target != "/readyz" && !strings.Contains(w.Body.String(), page) {
				t.Errorf("%s: %s, want a problem of %s", what, w.Body, page)
			}
		})
	}
}
