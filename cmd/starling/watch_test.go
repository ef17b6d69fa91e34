package main

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/memkv"
	"github.com/starlingkv/starling/web"
)

// told are the events that a watch printed.
func told(t *testing.T, out string) (events []record) {
	t.Helper()
	for line := range strings.Lines(out) {
		var r record
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		events = append(events, r)
	}
	return events
}

// TestWatchSince goes on where another watch ended, and begins anew where nobody knows the event.
func TestWatchSince(t *testing.T) {
	mem, addr := fixture(t, goodStatus())
	first := told(t, run(t, addr, "", nil, "watch", "b", "--once", "--since=").out)
	if len(first) != 2 || first[0].ID == "" || first[1].ID == "" || first[0].ID == first[1].ID {
		t.Fatalf("got %+v, want two events with ids", first)
	}
	for _, v := range []string{"old", "new"} {
		if _, err := mem.Put(t.Context(), "b", []byte(v)); err != nil {
			t.Fatal(err)
		}
	}
	next := told(t, run(t, addr, "", nil, "watch", "b", "--once", "--since", first[1].ID).out)
	if len(next) == 0 || next[0].Event != "put" || *next[0].Value != "old" && *next[0].Value != "new" || next[0].ID == "" {
		t.Errorf("got %+v, want the change only", next)
	}
	anew := told(t, run(t, addr, "", nil, "watch", "b", "--once", "--since", "gone.1:7").out)
	if len(anew) != 3 || anew[0].Event != "reset" || anew[1].Event != "put" || anew[2].Event != "sync" {
		t.Errorf("got %+v, want a reset and the state", anew)
	}
	for _, bad := range []string{"a\nb", "a b", strings.Repeat("x", 300)} {
		if got := run(t, addr, "", nil, "watch", "b", "--since", bad); got.code != exitError {
			t.Errorf("--since %.10q: exit code %d, %s", bad, got.code, got.err)
		}
	}
	if got := run(t, addr, "", nil, "watch", "b", "--once"); strings.Contains(got.out, `"id"`) {
		t.Errorf("without --since: %s", got.out)
	}
}

// TestWatchExec runs a command for each change, and prints nothing of its own.
func TestWatchExec(t *testing.T) {
	_, addr := fixture(t, goodStatus())
	const show = `printf '%s %s %s ' "$STARLING_WATCH_EVENT" "$STARLING_WATCH_KEY" "$STARLING_WATCH_CODEC"; od -An -tx1; test -n "$STARLING_WATCH_VERSION"`
	got := run(t, addr, "", nil, "watch", "--prefix", "a/", "--once", "--exec", show)
	if want := "put a/1 bytes  6f 6e 65 0a\nput a/2 bytes  ff 00\n"; got.code != exitOK || got.out != want {
		t.Errorf("got %d %q, %s; want %q", got.code, got.out, got.err, want)
	}
	got = run(t, addr, "", nil, "watch", "--prefix", "a/", "--exec", "echo ran; exit 3")
	if got.code != exitError || got.out != "ran\n" || !strings.Contains(got.err, "exit status 3") || !strings.Contains(got.err, "a/1") {
		t.Errorf("a command that fails: %d %q, %s", got.code, got.out, got.err)
	}
	if got := run(t, addr, "", nil, "watch", "b", "--exec="); got.code != exitUsage {
		t.Errorf("an empty command: exit code %d", got.code)
	}
	got = run(t, addr, "", nil, "watch", "b", "--timeout", "300ms", "--exec", "sleep 60")
	if got.code != exitUnreachable {
		t.Errorf("a command that takes too long: exit code %d, %s", got.code, got.err)
	}
}

// TestWatchExecTellsDeletes waits for one.
func TestWatchExecTellsDeletes(t *testing.T) {
	mem, addr := fixture(t, goodStatus())
	line := `echo "$STARLING_WATCH_EVENT"; test "$STARLING_WATCH_EVENT" = delete || curl -sS -o /dev/null -X DELETE ` + addr + `/v1/kv/b; test "$STARLING_WATCH_EVENT" = put`
	got := run(t, addr, "", nil, "watch", "b", "--exec", line)
	if got.code != exitError || got.out != "put\ndelete\n" {
		t.Errorf("got %d %q, %s", got.code, got.out, got.err)
	}
	if v, err := mem.Get(t.Context(), "b"); v != nil || err != nil {
		t.Errorf("got %v, %v", v, err)
	}
}

// TestWatchNoRetry ends when the node goes away.
func TestWatchNoRetry(t *testing.T) {
	mem := memkv.New(kv.Bytes)
	defer mem.Close()
	srv := httptest.NewServer(web.New(web.Config{Client: func(c kv.Codec) kv.Client { return mem.With(c) }, Node: fakeNode{status: goodStatus()}}))
	defer srv.Close()
	if _, err := mem.Put(t.Context(), "k", []byte("v")); err != nil {
		t.Fatal(err)
	}
	out := &onWrite{do: func() { srv.CloseClientConnections() }}
	got := run(t, srv.URL, "", func(p *program) { p.out = out }, "watch", "k", "--no-retry")
	if got.code != exitUnreachable || out.n == 0 {
		t.Errorf("exit code %d after %d writes, %s", got.code, out.n, got.err)
	}
}

// onWrite does something when it is written to.
type onWrite struct {
	n  int
	do func()
}

func (w *onWrite) Write(b []byte) (int, error) {
	w.n++
	w.do()
	return len(b), nil
}
