package sim

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/starlingkv/starling/internal/engine"
)

// Campaign is a range of seeds to be played.
type Campaign struct {
	From, Seeds uint64
	Workers     int // seeds played at once
	Options     Options
	StopAtFirst bool // end at the first violation
}

// Report is what a range of seeds came to. Reports of disjoint ranges add up,
// and a report of the first part of a range is where an interrupted campaign
// goes on.
type Report struct {
	From, Seeds uint64 // the range as asked for
	Done        uint64 // seeds played so far, from From on without a gap
	Virtual     time.Duration
	Elapsed     time.Duration
	Counts      *Counts
	Bad         []Bad
	FirstBad    uint64 // how many seeds were played until the first violation; 0: none
}

// Bad is a seed with violations.
type Bad struct {
	Seed       uint64
	Violations []string
}

// batch is how many seeds are played between two calls of progress.
const batch = 100

// Run plays what is left of the campaign after the report so far, which may be
// nil, and calls progress after every batch. It ends early with ctx; the report
// then tells how far it came.
func (c Campaign) Run(ctx context.Context, sofar *Report, progress func(*Report)) *Report {
	r := sofar
	if r == nil {
		r = &Report{From: c.From, Seeds: c.Seeds, Counts: NewCounts()}
	}
	for r.Done < c.Seeds && ctx.Err() == nil {
		n := min(batch, c.Seeds-r.Done)
		began := time.Now()
		results := c.play(c.From+r.Done, n)
		r.Elapsed += time.Since(began)
		for _, res := range results {
			r.add(res)
		}
		if progress != nil {
			progress(r)
		}
		if c.StopAtFirst && r.FirstBad > 0 {
			break
		}
	}
	return r
}

// play plays n seeds on the campaign's workers and returns them in order.
func (c Campaign) play(from, n uint64) []Result {
	results := make([]Result, n)
	next := make(chan uint64)
	var wg sync.WaitGroup
	for range max(c.Workers, 1) {
		wg.Go(func() {
			for i := range next {
				results[i] = Run(from+i, c.Options)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
	return results
}

// add takes in the result of the next seed.
func (r *Report) add(res Result) {
	r.Done++
	r.Virtual += res.Virtual
	r.Counts.Add(res.Counts)
	if len(res.Violations) == 0 {
		return
	}
	if r.FirstBad == 0 {
		r.FirstBad = r.Done
	}
	b := Bad{Seed: res.Seed}
	for _, v := range res.Violations {
		b.Violations = append(b.Violations, v.String())
	}
	r.Bad = append(r.Bad, b)
}

// enough is how many seeds must have reached everything.
const enough = 400

// Unreached lists what a campaign should have seen and has not: every fault,
// every frame, every end of a session and every rule of deletes that a healthy
// engine on a faulty network meets. Below 400 seeds it lists nothing.
func (r *Report) Unreached() []string {
	if r.Done < enough {
		return nil
	}
	var out []string
	for _, f := range faults {
		if r.Counts.Faults[f.name] == 0 {
			out = append(out, "fault "+f.name)
		}
	}
	for _, want := range []struct {
		what  string
		names []string
		in    map[string]int
	}{
		{"fault", mustFault, r.Counts.Faults},
		{"frame", mustFrame, r.Counts.Frames},
		{"rule", mustRule, r.Counts.Rules},
		{"session end", mustEnd, r.Counts.Ends},
		{"operation", mustOp, r.Counts.Ops},
	} {
		for _, name := range want.names {
			if want.in[name] == 0 {
				out = append(out, want.what+" "+name)
			}
		}
	}
	return out
}

// Row is the line of docs/campaigns.md for this report.
func (r *Report) Row(date, commit, command string) string {
	return fmt.Sprintf("| %d..%d | %s | %s | `%s` | %.0f | %d | %d |\n",
		r.From, r.From+r.Done-1, commit, date, command, r.Virtual.Hours(), total(r.Counts.Faults), len(r.Bad))
}

// String is the report for a person: how often each thing occurred, which seeds
// violated what, and what should have occurred and did not.
func (r *Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seeds %d..%d, %.1f virtual hours\n", r.From, r.From+r.Done-1, r.Virtual.Hours())
	r.Counts.Print(&b)
	for _, bad := range r.Bad {
		fmt.Fprintf(&b, "seed %d:\n", bad.Seed)
		for _, v := range bad.Violations {
			fmt.Fprintf(&b, "  %s\n", v)
		}
	}
	for _, name := range r.Unreached() {
		fmt.Fprintf(&b, "never occurred: %s\n", name)
	}
	fmt.Fprintf(&b, "%d of %d seeds violate an invariant\n", len(r.Bad), r.Done)
	return b.String()
}

// PlantByName finds a planted bug by its number, as P1.
func PlantByName(name string) (engine.Plant, error) {
	if p, ok := plants[strings.ToUpper(name)]; ok {
		return p, nil
	}
	return 0, fmt.Errorf("no planted bug is called %q; there are %s", name, strings.Join(slices.Sorted(maps.Keys(plants)), ", "))
}

// plants are the planted bugs of docs/planted.md. P10 and P15 show in seeds with
// clients of merging kinds only.
var plants = map[string]engine.Plant{
	"P1": engine.PlantCtxLive, "P2": engine.PlantPurgePinned, "P3": engine.PlantCtxIncomplete,
	"P4": engine.PlantDotRefused, "P5": engine.PlantNoR1, "P6": engine.PlantNoPurge,
	"P7": engine.PlantReuseOrigin, "P8": engine.PlantCtxAhead, "P9": engine.PlantNoLastT,
	"P11": engine.PlantSlew, "P12": engine.PlantNoReceive, "P13": engine.PlantNoPrev,
	"P14": engine.PlantExpiryHashed, "P16": engine.PlantWideRange, "P10": engine.PlantNoBy, "P15": engine.PlantByPayload,
}
