package kvtest

import (
	"log/slog"
	"testing"
	"time"

	"github.com/starlingkv/starling/kv"
)

// Suite says how to reach the store under test. Only New is required.
type Suite struct {
	// New opens a fresh, empty, running store for one check. What it starts ends by t.Cleanup or by Store.Close; what it
	// logs goes to log, where the suite counts.
	New func(t testing.TB, log *slog.Logger) Store

	// Starting opens a store that is still Starting, with Store.Start set. Nil: such a store has no starting time.
	Starting func(t testing.TB, log *slog.Logger) Store

	// Unmoved returns a client of a kind whose merge reports no change whatever is written to it, for ErrNoChange.
	// It takes and hands out values of the codec given. Nil: the store has no such kinds.
	Unmoved func(t testing.TB, codec kv.Codec) kv.Client

	// Around runs every check; [testing/synctest.Test] puts an in-process store into a bubble, where waiting costs
	// nothing. Nil runs them on the real clock. Checks that provoke a stuck lock always run on the real clock: a bubble's
	// clock stands still behind a mutex.
	Around func(t *testing.T, check func(*testing.T))

	// Within is the time in which the store must do what it promises to do at once. Default 5 s.
	Within time.Duration

	// MaxKey is the longest key, shorter than kv.MaxKey for a client that puts a prefix before it. Default kv.MaxKey.
	MaxKey int

	// Siblings is how many keys stand beside one that is watched. Default 200; a store within the process can have more.
	Siblings int

	// TTL is a time to live that the store takes without rounding it up. Default 400 ms.
	TTL time.Duration

	// Report is told the outcome of a run in which every check ran and held. Nil: nobody wants it.
	Report func(Report)
}

// Report is what a run has shown of a store, for a table of stores.
type Report struct {
	Can  kv.Capabilities // what the store says it can, to which the run has held it
	Held []string        // the checks
	Left []string        // the checks that were not in the run, for want of a hook; with the reason, where the store has one
}

// Store is one opened store and the hooks into its life. A sentence of the contract whose hook is nil is not in the run.
type Store struct {
	// Client returns a client of this store for values of codec. It is called several times, also with codecs of one id.
	Client func(codec kv.Codec) kv.Client

	// Start ends Starting. Only for stores of Suite.Starting.
	Start func()

	// Leave leaves the cluster and returns after the flush; the store still answers.
	Leave func()

	// Unsent counts the writes taken after Leave's flush.
	Unsent func() uint64

	// Isolate cuts the store off from everybody else.
	Isolate func()

	// Close closes the store.
	Close func()

	// Line is the connection of Client to the store. Nil: there is none on which anything could get lost.
	Line *Line
}

// Run checks every sentence of the contract that applies to the store. Sentences for whose hooks the suite has none are
// listed in the log.
func Run(t *testing.T, s Suite) {
	t.Helper()
	s = s.withDefaults()
	var have hooks
	var report Report
	forgets := ""
	s.around(t, func(t *testing.T) { have, report.Can, forgets = s.hooks(t) })
	for _, c := range checks {
		if lacks := c.needs &^ have; lacks != 0 {
			t.Logf("not in this run: %s (%s): no hook %s", c.name, c.sentence, lacks)
			report.Left = append(report.Left, c.name+why(lacks, forgets))
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			if c.clock == realClock {
				s.check(t, c)
			} else {
				s.around(t, func(t *testing.T) { s.check(t, c) })
			}
			report.Held = append(report.Held, c.name)
		})
	}
	if whole := len(report.Held)+len(report.Left) == len(checks); s.Report != nil && whole && !t.Failed() {
		s.Report(report)
	}
}

// withDefaults fills what was left at zero.
func (s Suite) withDefaults() Suite {
	if s.Within == 0 {
		s.Within = 5 * time.Second
	}
	if s.MaxKey == 0 {
		s.MaxKey = kv.MaxKey
	}
	if s.Siblings == 0 {
		s.Siblings = 200
	}
	if s.TTL == 0 {
		s.TTL = 400 * time.Millisecond
	}
	return s
}

func (s Suite) around(t *testing.T, f func(*testing.T)) {
	t.Helper()
	if s.Around == nil {
		f(t)
		return
	}
	s.Around(t, f)
}

// check runs one check against a store of its own.
func (s Suite) check(t testing.TB, c check) {
	t.Helper()
	c.run(newEnv(t, s, c))
}

// hooks opens one store to see which hooks it has, and what it says that it can.
func (s Suite) hooks(t testing.TB) (have hooks, can kv.Capabilities, forgets string) {
	st := s.New(t, slog.New(slog.DiscardHandler))
	if st.Line != nil {
		forgets = st.Line.Forgets
	}
	for hook, there := range map[hooks]bool{
		hookStart:   s.Starting != nil,
		hookUnmoved: s.Unmoved != nil,
		hookLeave:   st.Leave != nil && st.Unsent != nil,
		hookIsolate: st.Isolate != nil,
		hookClose:   st.Close != nil,
		hookLine:    st.Line != nil,
		hookHistory: st.Line != nil && st.Line.Forgets == "",
	} {
		if there {
			have |= hook
		}
	}
	if c, ok := kv.As[kv.Capable](st.Client(docs)); ok {
		can = c.Capabilities()
	}
	return have, can, forgets
}

// why is the reason of a store that a check is not in the run, in brackets.
func why(lacks hooks, forgets string) string {
	if lacks != hookHistory || forgets == "" {
		return ""
	}
	return " (" + forgets + ")"
}
