package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/starlingkv/starling/internal/sim"
)

// simFlags are the flags of sim.
type simFlags struct {
	from, seeds uint64
	record      string
	state       string
	plant       string
	workers     int
	scale       scaleFlags
}

func (p *program) simCommand() *cobra.Command {
	var f simFlags
	c := &cobra.Command{
		Use:   "sim",
		Short: "play seeds of the simulator: clusters of 3 to 9 nodes, a minute of disasters each; or measure large ones",
		Args:  arguments(0, 0),
	}
	flags := c.Flags()
	flags.Uint64Var(&f.from, "from", 1, "first seed")
	flags.Uint64Var(&f.seeds, "seeds", 500, "how many seeds")
	flags.StringVar(&f.record, "record", "", "add a row about the campaign to the table in this file")
	flags.StringVar(&f.state, "state", "", "keep how far it came in this file, and go on from there")
	flags.StringVar(&f.plant, "plant", "", "plant a bug first, as P1, and stop when it is found")
	flags.IntVar(&f.workers, "workers", runtime.GOMAXPROCS(0), "seeds played at once")
	f.scale.bind(flags)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if len(f.scale.nodes) > 0 {
			return p.scale(c, &f.scale)
		}
		campaign := sim.Campaign{From: f.from, Seeds: f.seeds, Workers: f.workers, StopAtFirst: f.plant != ""}
		if f.plant != "" {
			plant, err := sim.PlantByName(f.plant)
			if err != nil {
				return usage(c, err)
			}
			campaign.Options.Plant = plant
		}
		if f.plant != "" && f.record != "" {
			return usage(c, errors.New("--record is for campaigns without --plant"))
		}
		return p.sim(c.Context(), campaign, f)
	}
	return c
}

func (p *program) sim(ctx context.Context, campaign sim.Campaign, f simFlags) error {
	at := commit(ctx)
	sofar, err := loadState(at, f.state, campaign)
	if err != nil {
		return err
	}
	var unsaved error
	r := campaign.Run(ctx, sofar, func(r *sim.Report) {
		unsaved = saveState(at, f.state, r)
		fmt.Fprintf(p.err, "%d of %d seeds, %d with violations, %.1f seeds/s\n",
			r.Done, r.Seeds, len(r.Bad), float64(r.Done)/max(r.Elapsed.Seconds(), 0.001))
	})
	switch {
	case unsaved != nil:
		return unsaved
	case r.Done < r.Seeds && campaign.StopAtFirst && r.FirstBad > 0:
	case r.Done < r.Seeds:
		return fmt.Errorf("stopped after %d of %d seeds%s", r.Done, r.Seeds, goOn(f.state))
	}
	if _, err := fmt.Fprint(p.out, r); err != nil {
		return err
	}
	if f.record != "" && r.Done > 0 {
		if err := addRow(f.record, r.Row(time.Now().UTC().Format(time.DateOnly), at, command(r))); err != nil {
			return err
		}
	}
	if f.state != "" {
		if err := os.Remove(f.state); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return verdict(r, f.plant)
}

// goOn says how a campaign that was stopped is continued.
func goOn(state string) string {
	if state == "" {
		return ": with --state FILE the same command would go on from there"
	}
	return ": the same command goes on from there"
}

// verdict is the error of a campaign that found something, or missed what was planted.
func verdict(r *sim.Report, plant string) error {
	switch missing := r.Unreached(); {
	case plant != "" && r.FirstBad == 0:
		return fmt.Errorf("%s was not found within %d seeds", plant, r.Done)
	case plant != "":
		return nil
	case len(r.Bad) > 0:
		return fmt.Errorf("%d of %d seeds violate an invariant, the first is %d", len(r.Bad), r.Done, r.Bad[0].Seed)
	case len(missing) > 0:
		return fmt.Errorf("never happened in %d seeds: %s", r.Done, strings.Join(missing, ", "))
	}
	return nil
}

// command is the line that plays these seeds again.
func command(r *sim.Report) string { return fmt.Sprintf("make sim FROM=%d SEEDS=%d", r.From, r.Done) }

// commit is the commit of this binary, marked if the tree had changes; of the tree it runs in, where go run did not say.
func commit(ctx context.Context) string {
	b := theBuild()
	if b.Commit == "" {
		out, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty=+", "--abbrev=9", "--exclude=*").Output()
		if err != nil {
			return "unknown"
		}
		return strings.TrimSpace(string(out))
	}
	short := b.Commit[:min(len(b.Commit), 9)]
	if b.Modified {
		short += "+"
	}
	return short
}

// addRow adds a row to the table of a document, which may go on behind it, or to
// the end of one without a table.
func addRow(name, row string) error {
	b, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	lines := slices.Collect(strings.Lines(string(b)))
	at := len(lines)
	for i, l := range slices.Backward(lines) {
		if strings.HasPrefix(l, "|") {
			at = i + 1
			break
		}
	}
	return os.WriteFile(name, []byte(strings.Join(slices.Insert(lines, at, row), "")), 0o644)
}
