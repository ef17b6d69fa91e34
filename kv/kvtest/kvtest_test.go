package kvtest

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/memkv"
)

// openMem opens the reference.
func openMem(t testing.TB, log *slog.Logger) Store {
	m := memkv.New(docs, memkv.Logger(log))
	t.Cleanup(func() { _ = m.Close() })
	return Store{
		Client: func(c kv.Codec) kv.Client { return m.With(c) },
		Close:  func() { _ = m.Close() },
	}
}

// wrapped opens the reference behind a wrapper.
func wrapped(wrap func(kv.Client) kv.Client) func(testing.TB, *slog.Logger) Store {
	return func(t testing.TB, log *slog.Logger) Store {
		s := openMem(t, log)
		bare := s.Client
		s.Client = func(c kv.Codec) kv.Client { return wrap(bare(c)) }
		return s
	}
}

func TestReferenceInBubble(t *testing.T) { Run(t, Suite{New: openMem, Around: synctest.Test}) }

func TestReferenceOnRealClock(t *testing.T) { Run(t, Suite{New: openMem}) }

func TestPrefixKeepsContract(t *testing.T) {
	const prefix = "somewhere/"
	Run(t, Suite{
		New:    wrapped(func(c kv.Client) kv.Client { return kv.Prefix(c, prefix) }),
		MaxKey: kv.MaxKey - len(prefix),
		Around: synctest.Test,
	})
}

func TestInstrumentKeepsContract(t *testing.T) {
	Run(t, Suite{
		New:    wrapped(func(c kv.Client) kv.Client { return kv.Instrument(c, func(context.Context, kv.Call) {}) }),
		Around: synctest.Test,
	})
}

// TestAllHooks runs what the reference has no hooks for.
func TestAllHooks(t *testing.T) {
	s := suiteOf(nil)
	s.Around = synctest.Test
	Run(t, s)
}

func TestHooksNamed(t *testing.T) {
	all := hookStart | hookUnmoved | hookLeave | hookIsolate | hookClose | hookLine | hookHistory
	if got, _, _ := suiteOf(nil).hooks(t); got != all {
		t.Errorf("a suite with all hooks has %s", got)
	}
	if got, can, _ := (Suite{New: openMem}).hooks(t); got != hookClose || !can.LinearizableCAS {
		t.Errorf("the suite of the reference has %s, want Close", got)
	}
	told := Suite{New: func(t testing.TB, log *slog.Logger) Store {
		s := openMem(t, log)
		s.Line = &Line{Forgets: "it sleeps"}
		return s
	}}
	if got, _, forgets := told.hooks(t); got != hookClose|hookLine || why(hookHistory, forgets) != " (it sleeps)" || why(hookClose|hookHistory, forgets) != "" {
		t.Errorf("a store that forgets has %s and %q", got, forgets)
	}
	if got, want := (hookStart | hookClose).String(), "Starting, Close"; got != want {
		t.Errorf("hooks are named %q, want %q", got, want)
	}
}

// TestReport: a run of all checks says what it has shown, one with a failed check, or of some only, says nothing.
func TestReport(t *testing.T) {
	var told []Report
	s := Suite{New: openMem, Around: synctest.Test, Report: func(r Report) { told = append(told, r) }}
	t.Run("whole", func(t *testing.T) { Run(t, s) })
	if len(told) != 1 {
		t.Fatalf("a whole run told %d reports", len(told)) // also if -run chose some of them
	}
	r := told[0]
	if len(r.Held)+len(r.Left) != len(checks) || !r.Can.LinearizableCAS || !slices.Contains(r.Left, "CASNoChange") || !slices.Contains(r.Held, "TTLGoes") {
		t.Errorf("the report is %+v", r)
	}
}
