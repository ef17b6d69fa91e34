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
	// Limit is what this machine allows the simplest code for the same, measured in
	// the same process; 0: nothing was measured.
	Limit float64 `json:"limit,omitempty"`
	// Tenth is the same figure with a tenth of the cells; 0: it was not taken.
	Tenth float64 `json:"tenth,omitempty"`
	// Fails says why there is no figure.
	Fails string `json:"fails,omitempty"`
}

// Unit says what a figure counts.
type Unit string

// The units of figures.
const (
	Nanoseconds Unit = "ns"
	Bytes       Unit = "B"
	Percent     Unit = "%"
	Count       Unit = ""
)

// add appends a row, and returns it for what else is known of it.
func (r *Report) add(name string, unit Unit, value float64) *Row {
	r.Rows = append(r.Rows, Row{Name: name, Unit: unit, Value: value})
	return &r.Rows[len(r.Rows)-1]
}

// agreed notes what the replicas hold, beside what was noted before, and fails if
// they differ.
func (r *Report) agreed(replicas ...Reader) error {
	states := make([]string, len(replicas))
	for i, n := range replicas {
		states[i] = State(n)
	}
	return r.note(states)
}

// note takes the states of replicas that should be alike.
func (r *Report) note(states []string) error {
	for i, state := range states {
		if state != states[0] {
			return fmt.Errorf("replica %d holds %s, others %s", i, state, states[0])
		}
	}
	r.State = strings.TrimSpace(r.State + " " + states[0])
	return nil
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
	for _, t := range Topics() {
		if t.Name != r.Topic {
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
	return fmt.Errorf("no such topic: want one of %q", Names())
}
