package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// place is where, when and on what the figures were taken.
type place struct {
	commit, machine, command string
	began                    time.Time
	load                     string // of the machine, before
}

func about() *place {
	return &place{
		commit: commit(), machine: machine(), began: time.Now(), load: load(),
		command: "make bench",
	}
}

// commit is the commit of the tree, and whether the tree is that.
func commit() string {
	out, err := exec.Command("git", "rev-parse", "--short=12", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	c := strings.TrimSpace(string(out))
	if changed, err := exec.Command("git", "status", "--porcelain", "--untracked-files=no").Output(); err != nil || len(changed) > 0 {
		c += " with changes"
	}
	return c
}

func machine() string {
	model := runtime.GOARCH
	info, _ := os.ReadFile("/proc/cpuinfo") // elsewhere the name stays unknown
	for l := range strings.Lines(string(info)) {
		if name, value, ok := strings.Cut(l, ":"); ok && strings.TrimSpace(name) == "model name" {
			model = strings.TrimSpace(value)
			break
		}
	}
	return fmt.Sprintf("%d processors, %s, %s", runtime.NumCPU(), model, runtime.GOOS)
}

// load is the load average of the last minute.
func load() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(b), " ")
	return first
}

// sofar is all of it, as of now.
func (p *place) sofar(t *table) string {
	equal := ""
	if t.statesEqual > 0 {
		equal = fmt.Sprintf("In all %d pairs of runs every node of both stores ended with the same state. ", t.statesEqual)
	}
	return fmt.Sprintf(`Commit %s, %s, by `+"`%s`"+`. %s; load of the machine %s before and %s after, %v in all.
%sBuilt with %s.
`, p.commit, p.began.Format(time.DateOnly), p.command, p.machine, p.load, load(), time.Since(p.began).Round(time.Second),
		equal, strings.Join(t.built, "; "))
}
