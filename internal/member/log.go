package member

import (
	"context"
	"log"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// bridgeLog is memberlist's logger: its lines begin with their level.
func bridgeLog(to *slog.Logger) *log.Logger {
	return log.New(&logBridge{to: to, said: make(map[string]*saying)}, "", 0)
}

// logBridge hands memberlist's lines on. It says some of them again and again,
// such as that a name is there twice: a line that was told is counted for a
// while, and then told again with its count.
type logBridge struct {
	to *slog.Logger

	mu   sync.Mutex // guards said
	said map[string]*saying
}

// saying is a line that was told.
type saying struct {
	told  time.Time
	since uint64 // how often it was said since
}

// resay is how long a line that was told is only counted.
const resay = 10 * time.Minute

// maxSaid bounds the lines that are remembered; over it, all are forgotten.
const maxSaid = 256

// logLevels gives memberlist's levels ours. What it calls an error is one lost
// packet or stream, which it and we repair: nobody has to act.
var logLevels = map[string]slog.Level{
	"DEBUG": slog.LevelDebug, "INFO": slog.LevelDebug, "WARN": slog.LevelInfo, "ERR": slog.LevelInfo,
}

// Write is part of io.Writer.
func (l *logBridge) Write(line []byte) (int, error) {
	text := strings.TrimSpace(string(line))
	level := slog.LevelInfo
	if head, rest, found := strings.Cut(text, "] "); found && strings.HasPrefix(head, "[") {
		if known, is := logLevels[head[1:]]; is {
			level, text = known, rest
		}
	}
	if !l.to.Enabled(context.Background(), level) {
		return len(line), nil
	}
	attrs := []slog.Attr{slog.String("text", strings.TrimPrefix(text, "memberlist: "))}
	again, tell := l.note(text)
	if again > 0 {
		attrs = append(attrs, slog.Uint64("again", again))
	}
	if tell {
		l.to.LogAttrs(context.Background(), level, "membership", attrs...)
	}
	return len(line), nil
}

// note counts a line. It says whether to tell it, and how often it was said
// without.
func (l *logBridge) note(text string) (again uint64, tell bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	s := l.said[text]
	switch {
	case s == nil && len(l.said) >= maxSaid:
		clear(l.said)
		fallthrough
	case s == nil:
		l.said[text] = &saying{told: now}
		return 0, true
	case now.Sub(s.told) < resay:
		s.since++
		return 0, false
	}
	again = s.since
	*s = saying{told: now}
	return again, true
}
