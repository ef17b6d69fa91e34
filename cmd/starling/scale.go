package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/starlingkv/starling/internal/sim"
)

// scaleFlags are the flags of sim that measure large clusters.
type scaleFlags struct {
	nodes      []int
	loss, dead []float64
	one        sim.Scale
	plot       string
	record     string
}

func (f *scaleFlags) bind(flags *pflag.FlagSet) {
	flags.IntSliceVar(&f.nodes, "nodes", nil, "measure clusters of so many members instead of playing seeds")
	flags.Float64SliceVar(&f.loss, "loss", []float64{0}, "shares of packets that get lost, with --nodes")
	flags.Float64SliceVar(&f.dead, "dead", []float64{0}, "shares of the members that are gone and not noticed, with --nodes")
	flags.Float64Var(&f.one.Rate, "rate", 2, "writes per second of the whole cluster, with --nodes")
	flags.DurationVar(&f.one.Warm, "warm", 10*time.Second, "virtual time of writing before anything is measured, with --nodes")
	flags.DurationVar(&f.one.For, "for", 20*time.Second, "virtual time that is measured, with --nodes")
	flags.IntVar(&f.one.Body, "body", 40, "bytes of a value, with --nodes")
	flags.Uint64Var(&f.one.Seed, "seed", 1, "seed of all chance, with --nodes")
	flags.StringVar(&f.record, "document", "", "put a table of what was measured between the marks of this document, with --nodes")
	flags.StringVar(&f.plot, "plot", "", "draw what was measured into this SVG file, with --nodes")
}

// all are the measurements that the flags ask for.
func (f *scaleFlags) all() ([]sim.Scale, error) {
	var out []sim.Scale
	var errs []error
	for _, dead := range f.dead {
		for _, loss := range f.loss {
			for _, n := range f.nodes {
				s := f.one
				s.Nodes, s.Loss, s.Dead, s.CPU = n, loss, dead, cpuTime
				errs = append(errs, s.Validate())
				out = append(out, s)
			}
		}
	}
	return out, errors.Join(errs...)
}

// scale measures one cluster after the other.
func (p *program) scale(c *cobra.Command, f *scaleFlags) error {
	todo, err := f.all()
	if err != nil {
		return usage(c, err)
	}
	results, err := p.measure(c.Context(), todo)
	if err != nil {
		return err
	}
	if f.plot != "" {
		if err := writeFile(f.plot, figureOf(results).WriteSVG); err != nil {
			return err
		}
	}
	if f.record != "" {
		if err := recordScale(f.record, commit(c.Context()), results); err != nil {
			return err
		}
	}
	return p.checked(results)
}

// checked is the error of measurements that are not as the formulas say.
func (p *program) checked(results []*sim.ScaleResult) error {
	bad := 0
	for _, r := range results {
		breaches := r.Check()
		if len(breaches) > 0 {
			bad++
		}
		for _, b := range breaches {
			fmt.Fprintf(p.err, "%d members, loss %g, dead %g: %s\n", r.Scale.Nodes, r.Scale.Loss, r.Scale.Dead, b)
		}
	}
	if bad > 0 {
		return fmt.Errorf("%d of %d measurements are not as the formulas of docs/scale.md say", bad, len(results))
	}
	return nil
}

// measure runs the measurements, as many at a time as there are processors, and
// prints each when it is done.
func (p *program) measure(ctx context.Context, todo []sim.Scale) ([]*sim.ScaleResult, error) {
	// Ten thousand nodes are many small things that live long: with the usual
	// collection half of the time would be spent on walking over them.
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	waiting := make(chan int, len(todo))
	for _, i := range largestFirst(todo) {
		waiting <- i
	}
	close(waiting)
	results, errs := make([]*sim.ScaleResult, len(todo)), make([]error, len(todo))
	var players sync.WaitGroup
	var printing sync.Mutex
	for range runtime.GOMAXPROCS(0) {
		players.Go(func() {
			for i := range waiting {
				if errs[i] = ctx.Err(); errs[i] != nil {
					return
				}
				results[i] = played(todo[i])
				printing.Lock()
				_, errs[i] = fmt.Fprint(p.out, results[i])
				printing.Unlock()
			}
		})
	}
	players.Wait()
	return results, errors.Join(errs...)
}

// played runs a measurement on a thread of its own, whose processor time is that
// of the measurement.
func played(s sim.Scale) *sim.ScaleResult {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer debug.FreeOSMemory() // of a cluster that is gone
	return s.Run()
}

// largestFirst is the order in which measurements end at about the same time on
// all processors.
func largestFirst(todo []sim.Scale) []int {
	order := make([]int, len(todo))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(todo[b].Nodes, todo[a].Nodes) })
	return order
}

// writeFile writes a file, whole or not at all.
func writeFile(name string, write func(io.Writer) error) error {
	f, err := os.Create(name + ".new")
	if err != nil {
		return err
	}
	if err := errors.Join(write(f), f.Close()); err != nil {
		return errors.Join(err, os.Remove(name+".new"))
	}
	return os.Rename(name+".new", name)
}
