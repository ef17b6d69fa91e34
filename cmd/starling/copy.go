package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/starlingkv/starling/cmd/starling/internal/stores"
	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/memkv"
	"github.com/starlingkv/starling/kv/mirrorkv"
)

// errCopyDiffers is the error of a copy after which the stores are not the same.
var errCopyDiffers = errors.New("the copy differs from its source")

// maxDifferences bounds how many differences a copy lists.
const maxDifferences = 100

// copying is one run of the verb.
type copying struct {
	from, to, prefix, after  string
	verify, watch, deletes   bool
	source, target           *stores.Store
	total                    int // keys at the source when it began
	began, shown             time.Time
	far                      *statusLine
	done                     mirrorkv.Progress
	missing, differs, extras int
	differences              []mirrorkv.Difference
}

func (p *program) copyCommand() *cobra.Command {
	var cp copying
	cmd := &cobra.Command{
		Use:   "copy --from URL --to URL",
		Short: "copy keys from one store to another, and prove that none is missing",
		Long: "Stores are URLs: " + strings.Join(stores.Schemes(), "://, ") + "://.\n" +
			"http:// is a starling server and whatever it serves. --from takes a file too, as export, consul kv export or etcdctl\n" +
			"get --prefix -w json write it, or - for stdin.\n\n" +
			"Only what differs is written, so it can just be run again; after a break --after saves reading what is done. With\n" +
			"--watch it goes on copying changes, deletes included, until it is interrupted: stop the writers, interrupt it, and\n" +
			"see that nothing differs. --timeout is that of one key.",
		Args: arguments(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := cp.check(); err != nil {
				return usage(c, err)
			}
			return p.copy(c.Context(), &cp)
		},
	}
	f := cmd.Flags()
	f.StringVar(&cp.from, "from", "", "`URL` or file to copy from")
	f.StringVar(&cp.to, "to", "", "`URL` to copy to")
	f.StringVar(&cp.prefix, "prefix", "", "copy only keys with this `prefix`")
	f.StringVar(&cp.after, "after", "", "resume after this `key`")
	f.BoolVar(&cp.verify, "verify", true, "compare every byte of both stores in the end")
	f.BoolVar(&cp.watch, "watch", false, "go on copying changes until interrupted")
	f.BoolVar(&cp.deletes, "delete", false, "remove keys that only the target has")
	return cmd
}

// check refuses what names no two places.
func (cp *copying) check() error {
	if cp.from == "" || cp.to == "" {
		return errors.New("copy wants --from and --to")
	}
	if strings.Contains(cp.from, "://") {
		if err := stores.Check(cp.from); err != nil {
			return fmt.Errorf("--from: %w", err)
		}
	}
	if err := stores.Check(cp.to); err != nil {
		return fmt.Errorf("--to: %w", err)
	}
	return nil
}

// awayError is a store that a copy cannot reach.
type awayError struct {
	url string
	err error
}

// Error returns the store and the reason.
func (e *awayError) Error() string { return e.url + ": " + e.err.Error() }

// Unwrap returns the cause.
func (e *awayError) Unwrap() error { return e.err }

func (p *program) copy(ctx context.Context, cp *copying) (err error) {
	cp.far, cp.began = &statusLine{out: p.err, tty: p.talks}, time.Now()
	log := slog.New(slog.NewTextHandler(stores.Redacted(p.err), &slog.HandlerOptions{Level: slog.LevelWarn}))
	if cp.source, err = p.copySource(ctx, cp.from, log); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cp.source.Close()) }()
	if cp.target, err = stores.Open(ctx, cp.to, log); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cp.target.Close()) }()
	job := mirrorkv.Job{
		From: cp.source.Client(kv.Any), To: cp.target.Client(kv.Any), Codec: kv.Any,
		Prefix: cp.prefix, After: cp.after, Timeout: p.global.timeout, Progress: cp.progress,
	}
	for url, c := range map[string]kv.Client{cp.from: job.From, cp.to: job.To} {
		if err := p.answers(ctx, c); err != nil {
			return &awayError{url, err}
		}
	}
	if cp.deletes {
		job.Extras = mirrorkv.RemoveExtras
	}
	failed := cp.transfer(ctx, job)
	cp.far.clear()
	if failed != nil && cp.done.Failed == 0 {
		return cp.brokenOff(failed)
	}
	if cp.verify {
		if err := cp.compare(context.WithoutCancel(ctx), job); err != nil {
			return err
		}
	}
	return errors.Join(p.reportCopy(cp), cp.verdict(failed))
}

// answers asks for one key, so that a store that is away is told at once, and by its name.
func (p *program) answers(ctx context.Context, c kv.Client) error {
	ctx, cancel := context.WithTimeout(ctx, p.global.timeout)
	defer cancel()
	v, _ := kv.As[kv.Versioned](c)
	for e, err := range v.Entries(ctx, "", "") {
		if e.Key == "" {
			return err
		}
		break
	}
	return nil
}

// copySource opens what is copied from. A file is read into memory first, so that it can be compared.
func (p *program) copySource(ctx context.Context, from string, log *slog.Logger) (*stores.Store, error) {
	if strings.Contains(from, "://") {
		return stores.Open(ctx, from, log)
	}
	in := p.in
	if from != "-" {
		f, err := os.Open(from)
		if err != nil {
			return nil, fmt.Errorf("%w; a store is a URL, as etcd://127.0.0.1:2379/", err)
		}
		defer f.Close()
		in = f
	}
	mem := memkv.New(kv.Any)
	im := &importer{store: mem, timeout: p.global.timeout, began: time.Now()}
	if err := im.run(ctx, in, &statusLine{out: io.Discard}); err != nil {
		_ = mem.Close() // it has nothing to say
		return nil, fmt.Errorf("%s: %w", from, err)
	}
	return &stores.Store{Client: func(c kv.Codec) kv.Client { return mem.With(c) }, Close: mem.Close}, nil
}

// transfer copies, and follows if it was asked to.
func (cp *copying) transfer(ctx context.Context, job mirrorkv.Job) error {
	keys, err := job.From.List(ctx, cp.prefix)
	if err != nil {
		return err
	}
	cp.total = len(keys)
	if !cp.watch {
		cp.done, err = mirrorkv.Copy(ctx, job)
		return err
	}
	var failed error
	err = mirrorkv.Follow(ctx, job, func(done mirrorkv.Progress, err error) {
		cp.done, failed = done, err
		cp.far.clear()
		fmt.Fprintf(cp.far.out, "%s; following changes: interrupt to end and compare\n", cp.tally())
	})
	if ctx.Err() != nil {
		return failed // the end that was asked for
	}
	return err
}

// progress shows a bar, not more often than people can read.
func (cp *copying) progress(done mirrorkv.Progress) {
	cp.done = done
	if every := progressEvery; !cp.far.tty && time.Since(cp.shown) < every {
		return
	}
	cp.shown = time.Now()
	cp.far.show(bar(done.Seen, cp.total) + " " + cp.tally())
}

// bar draws how much of a total is done.
func bar(done, total int) string {
	const width = 30
	if total <= 0 || done > total {
		total = max(done, 1)
	}
	full := width * done / total
	return fmt.Sprintf("[%s%s] %3d %%", strings.Repeat("#", full), strings.Repeat(".", width-full), 100*done/total)
}

func (cp *copying) tally() string {
	d := cp.done
	text := fmt.Sprintf("%d keys, %.1f MB read, %d written", d.Seen, float64(d.Bytes)/1e6, d.Copied)
	if d.Removed > 0 {
		text += fmt.Sprintf(", %d removed", d.Removed)
	}
	if d.Failed > 0 {
		text += fmt.Sprintf(", %d failed", d.Failed)
	}
	return text + fmt.Sprintf(" in %.1f s", time.Since(cp.began).Seconds())
}

// brokenOff says how to go on.
func (cp *copying) brokenOff(err error) error {
	if cp.done.Last == "" {
		return err
	}
	return fmt.Errorf("after %s: %w; go on with --after %q, or run it again: only what differs is written", cp.tally(), err, cp.done.Last)
}

// compare reads both stores once more, whole.
func (cp *copying) compare(ctx context.Context, job mirrorkv.Job) error {
	for d, err := range mirrorkv.Compare(ctx, kv.Any, job.From, job.To, kv.Selection{Prefix: cp.prefix}) {
		if err != nil {
			return fmt.Errorf("comparing: %w", err)
		}
		switch d.Kind {
		case mirrorkv.Missing:
			cp.missing++
		case mirrorkv.Differs:
			cp.differs++
		case mirrorkv.Extra:
			cp.extras++
		}
		if len(cp.differences) < maxDifferences {
			cp.differences = append(cp.differences, d)
		}
	}
	return nil
}

// verdict is the error of a copy that is not whole. Keys that only the target has are one if they were to be removed.
func (cp *copying) verdict(failed error) error {
	lacking := cp.missing + cp.differs
	if cp.deletes {
		lacking += cp.extras
	}
	if lacking == 0 && failed == nil {
		return nil
	}
	if failed != nil {
		return fmt.Errorf("%w: %w", errCopyDiffers, failed)
	}
	return fmt.Errorf("%w: %d missing, %d differ, %d only at the target", errCopyDiffers, cp.missing, cp.differs, cp.extras)
}

// copyReport is what copy -o json prints.
type copyReport struct {
	Keys        int              `json:"keys"`
	Bytes       int              `json:"bytes"`
	Copied      int              `json:"copied"`
	Removed     int              `json:"removed"`
	Failed      int              `json:"failed"`
	Verified    bool             `json:"verified"`
	Missing     int              `json:"missing"`
	Differs     int              `json:"differs"`
	Extra       int              `json:"extra"`
	Differences []copyDifference `json:"differences,omitempty"`
}

type copyDifference struct {
	Key  string `json:"key"`
	Kind string `json:"kind"`
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
}

func (p *program) reportCopy(cp *copying) error {
	f := p.format(asTable)
	if f == asJSON || f == asLines {
		d := cp.done
		r := copyReport{
			Keys: d.Seen, Bytes: d.Bytes, Copied: d.Copied, Removed: d.Removed, Failed: d.Failed,
			Verified: cp.verify, Missing: cp.missing, Differs: cp.differs, Extra: max(cp.extras, d.Extra),
		}
		for _, d := range cp.differences {
			r.Differences = append(r.Differences, copyDifference{Key: d.Key, Kind: d.Kind.String(), From: d.From, To: d.To})
		}
		return p.json(f, r)
	}
	text := cp.tally()
	if cp.verify {
		text += fmt.Sprintf("; compared: %d missing, %d differ, %d only at the target", cp.missing, cp.differs, cp.extras)
	}
	fmt.Fprintln(cp.far.out, text)
	if len(cp.differences) == 0 {
		return nil
	}
	rows := [][]string{{"KEY", "KIND", "FROM", "TO"}}
	for _, d := range cp.differences {
		rows = append(rows, []string{d.Key, d.Kind.String(), d.From, d.To})
	}
	return p.table(rows)
}
