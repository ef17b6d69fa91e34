package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/starlingkv/starling/internal/sim"
)

// The marks between which a document has its figures.
const (
	figuresBegin = "<!-- figures: written by make scale -->\n"
	figuresEnd   = "<!-- end of figures -->\n"
)

// recordScale puts the table of the results into a document, where the last one
// stood.
func recordScale(name, at string, results []*sim.ScaleResult) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	before, rest, begins := strings.Cut(string(text), figuresBegin)
	_, after, ends := strings.Cut(rest, figuresEnd)
	if !begins || !ends {
		return fmt.Errorf("%s has no place for figures: it needs the lines %q and %q", name, strings.TrimSpace(figuresBegin), strings.TrimSpace(figuresEnd))
	}
	return writeFile(name, func(w io.Writer) error {
		_, err := io.WriteString(w, before+figuresBegin+scaleTable(at, results)+figuresEnd+after)
		return err
	})
}

// scaleTable is the results as Markdown.
func scaleTable(at string, results []*sim.ScaleResult) string {
	var b strings.Builder
	s := results[0].Scale
	fmt.Fprintf(&b, "\nCommit %s, %s, by `make scale`: %g writes/s of %d bytes for %v, after %v of warming up, seed %d.\n\n",
		at, time.Now().UTC().Format(time.DateOnly), s.Rate, s.Body, s.For, s.Warm, s.Seed)
	b.WriteString("| members | loss | dead | half / 99 % / all, ms | all: p90, p99 | hops | payloads | HAVE | bytes | whole without a session | missed | KB/s | core |\n")
	b.WriteString("|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n")
	ms := func(d time.Duration) string { return fmt.Sprintf("%.0f", d.Seconds()*1000) }
	for _, r := range results {
		e := r.Scale.Expect()
		fmt.Fprintf(&b, "| %d | %g %% | %g %% | %s / %s / %s | %s, %s | %.2f (%.2f) | %.3f (%.3f) | %.2f (%.2f) | %.0f (%.0f) | %d/%d | %.1g (%.1g) | %.2f | %.3f %% |\n",
			r.Scale.Nodes, r.Scale.Loss*100, r.Scale.Dead*100,
			ms(r.Half.P50), ms(r.Most.P50), ms(r.All.P50), ms(r.All.P90), ms(r.All.P99),
			r.MeanHops, e.MeanHops, r.Payloads, e.Payloads, r.Haves, e.Haves, r.Bytes, e.Bytes,
			r.Complete, r.Alone, r.MissedPerNode(), e.Missed, r.BytesPerSec/1000, r.CPU*100)
	}
	b.WriteString("\n")
	return b.String()
}
