package bench

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strings"
)

// A Report is what one run of one topic found.
type Report struct {
	System string `json:"system"`
	Topic  string `json:"topic"`
	Built  string `json:"built"` // versions of what it was built with
	State  string `json:"state"` // what all nodes ended with
	Rows   []Row  `json:"rows"`
}

// A Row is one figure. Less is better in all of them.
type Row struct {
	Name  string  `json:"name"`
	Unit  Unit    `json:"unit"`
	Value float64 `json:"value"`
}

// Unit says what a figure counts.
type Unit string

// The units of figures.
const (
	Nanoseconds Unit = "ns"
	Bytes       Unit = "B"
	Count       Unit = ""
)

func (r *Report) add(name string, unit Unit, value float64) {
	r.Rows = append(r.Rows, Row{Name: name, Unit: unit, Value: value})
}

// agreed notes what the replicas hold, and fails if they differ.
func (r *Report) agreed(replicas ...Reader) error {
	for i, n := range replicas {
		state := State(n)
		if i == 0 && r.State == "" {
			r.State = state
		}
		if state != r.State {
			return fmt.Errorf("replica %d holds %s, others %s", i, state, r.State)
		}
	}
	return nil
}

// A topic is one kind of work.
type topic struct {
	name string
	run  func(s System, r *Report) error
}

// topics are in the order of the table.
func topics() []topic {
	return []topic{
		{"get", get},
		{"cas", cas},
		{"list", list},
		{"reconcile", reconcile},
		{"registry", registry},
		{"receive", receive},
		{"limits", limits},
		{"memory", memory},
		{"memory-gossip", memoryByGossip},
		{"join", join},
		{"burst", burst},
		{"converge-8", converge(8)},
		{"converge-16", converge(16)},
		{"converge-32", converge(32)},
		{"converge-64", converge(64)},
		{"heartbeat", heartbeat},
		{"load-16", load},
	}
}

// Topics are the names that Main knows.
func Topics() []string {
	var names []string
	for _, t := range topics() {
		names = append(names, t.name)
	}
	return names
}

// Long reports whether a topic takes a minute or more, and the medians of many
// updates itself.
func Long(topic string) bool {
	switch topic {
	case "burst", "heartbeat", "load-16", "memory-gossip":
		return true
	}
	return strings.HasPrefix(topic, "converge")
}

// Main plays the topic that the command line names, prints the Report as JSON, and
// returns the exit code.
func Main(s System, args []string, stdout, stderr io.Writer) int {
	fs := flag.NewFlagSet(s.Name(), flag.ContinueOnError)
	fs.SetOutput(stderr)
	profile := fs.String("cpuprofile", "", "write a profile of the whole run to this file")
	if err := fs.Parse(args); err != nil {
		return 2
	}
	r := &Report{System: s.Name(), Topic: fs.Arg(0), Built: built()}
	if err := play(s, r, *profile); err != nil {
		_, _ = fmt.Fprintf(stderr, "%s: %s: %v\n", r.System, r.Topic, err)
		return 1
	}
	if err := json.NewEncoder(stdout).Encode(r); err != nil {
		_, _ = fmt.Fprintln(stderr, err)
		return 1
	}
	return 0
}

// built tells which of the libraries that matter are linked.
func built() string {
	info, _ := debug.ReadBuildInfo()
	parts := []string{runtime.Version()}
	for _, m := range info.Deps {
		if m.Replace != nil && m.Replace.Version != "" {
			m = m.Replace
		}
		if strings.HasSuffix(m.Path, "/memberlist") || strings.HasSuffix(m.Path, "/dskit") {
			parts = append(parts, m.Path+" "+m.Version)
		}
	}
	return strings.Join(parts, ", ")
}

func play(s System, r *Report, profile string) error {
	for _, t := range topics() {
		if t.name != r.Topic {
			continue
		}
		if profile == "" {
			return t.run(s, r)
		}
		f, err := os.Create(profile)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
		return t.run(s, r)
	}
	return fmt.Errorf("no such topic: want one of %q", Topics())
}
