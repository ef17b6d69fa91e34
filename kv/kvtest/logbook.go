package kvtest

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
)

// logbook keeps what a store logs, so that "once" can be counted.
type logbook struct {
	mu    sync.Mutex // guards lines
	lines []string
}

func newLogbook() *logbook { return &logbook{} }

func (l *logbook) logger() *slog.Logger { return slog.New(&page{book: l}) }

// about counts the warnings and errors that name word.
func (l *logbook) about(word string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, line := range l.lines {
		if strings.Contains(line, word) {
			n++
		}
	}
	return n
}

// all returns the lines so far.
func (l *logbook) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.lines)
}

// page is the slog.Handler that writes into a logbook, with the attributes given so far.
type page struct {
	book *logbook
	with string
}

// Enabled takes warnings and errors only: they are what the contract speaks of.
func (p *page) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelWarn }

// Handle writes the record as one line.
func (p *page) Handle(_ context.Context, r slog.Record) error {
	line := r.Message + p.with
	r.Attrs(func(a slog.Attr) bool { line += " " + a.String(); return true })
	p.book.mu.Lock()
	defer p.book.mu.Unlock()
	p.book.lines = append(p.book.lines, line)
	return nil
}

// WithAttrs keeps the attributes for later records.
func (p *page) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := p.with
	for _, a := range attrs {
		with += " " + a.String()
	}
	return &page{book: p.book, with: with}
}

// WithGroup is ignored: lines are only searched for words.
func (p *page) WithGroup(string) slog.Handler { return p }
