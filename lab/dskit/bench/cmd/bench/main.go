// Command bench runs the programs of two stores by turns and puts what they found
// side by side.
//
//	bench [-rounds n] [-topics list] [-record file] PEER STARLING
//
// Each topic of each round is a process of its own. Every figure is the median of
// its runs; every ratio is the median of the ratios of runs that followed upon each
// other. The run fails if the two stores do not end with the same state.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/starlingkv/starling/lab/dskit/bench"
)

func main() {
	rounds := flag.Int("rounds", 3, "how often each short topic is run")
	chosen := flag.String("topics", strings.Join(bench.Names(), ","), "what to run")
	record := flag.String("record", "", "put the table between the marks of this file")
	flag.Parse()
	if flag.NArg() != 2 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(*rounds, strings.Split(*chosen, ","), *record); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(rounds int, names []string, record string) error {
	topics, err := choose(names)
	if err != nil {
		return err
	}
	m, t := about(), &table{}
	for _, topic := range topics {
		n := rounds
		if topic.Pace == bench.Once {
			n = 1
		}
		for round := range n {
			fmt.Fprintf(os.Stderr, "%s, round %d of %d\n", topic.Name, round+1, n)
			if err := one(t, topic); err != nil {
				fmt.Fprintln(os.Stderr, "bench:", err)
				t.failures = append(t.failures, err.Error())
			}
		}
		if record != "" { // after each topic: the whole takes long
			if err := insert(record, m.sofar(t)+"\n"+t.String()); err != nil {
				return err
			}
		}
	}
	if len(topics) == len(bench.Topics()) {
		t.failures = append(t.failures, t.untested()...)
	}
	if record == "" {
		fmt.Print(m.sofar(t), "\n", t)
	}
	if wrong := t.wrong(); len(wrong) > 0 {
		return errors.New(strings.Join(wrong, "\n"))
	}
	return nil
}

// choose finds the topics of these names.
func choose(names []string) ([]bench.Topic, error) {
	var chosen []bench.Topic
	for _, name := range names {
		i := slices.IndexFunc(bench.Topics(), func(t bench.Topic) bool { return t.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("no topic %q: want one of %q", name, bench.Names())
		}
		chosen = append(chosen, bench.Topics()[i])
	}
	return chosen, nil
}

// one plays a topic on the peer, and then on starling.
func one(t *table, topic bench.Topic) error {
	if topic.Pace == bench.Alone {
		own, err := play(flag.Arg(1), topic.Name)
		if err != nil {
			return err
		}
		return t.alone(own)
	}
	peer, err := play(flag.Arg(0), topic.Name)
	if err != nil {
		return err
	}
	own, err := play(flag.Arg(1), topic.Name)
	if err != nil {
		return err
	}
	if err := t.add(peer, own); err != nil {
		return err
	}
	settings := make([]bench.Report, len(tunings[topic.Name]))
	for i, set := range tunings[topic.Name] {
		if settings[i], err = play(flag.Arg(0), topic.Name, set); err != nil {
			return err
		}
	}
	return t.addTuned(settings, own)
}

// tunings are the settings that an operator of the peer may try beside the default
// ones, by the topics in which they matter, as its program takes them.
var tunings = map[string][]string{
	"converge-64": {"DSKIT_COMPRESSION=off"}, // there is nothing to compress
	"load-16":     {"DSKIT_COMPRESSION=off", "DSKIT_COMPRESSION=snappy"},
}

// play runs one program once, with these settings in its environment.
func play(program, topic string, settings ...string) (bench.Report, error) {
	var r bench.Report
	cmd := exec.Command(program, topic)
	cmd.Env = append(os.Environ(), settings...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return r, fmt.Errorf("%s: %w: %s", program, err, bytes.TrimSpace(errs.Bytes()))
	}
	if err := json.Unmarshal(out, &r); err != nil {
		return r, fmt.Errorf("%s %s: %w", program, topic, err)
	}
	return r, nil
}

// The marks between which insert puts the table.
const (
	from = "<!-- figures: written by make bench -->\n"
	upTo = "<!-- end of figures -->\n"
)

// insert replaces what stands between the marks of a file.
func insert(file, text string) error {
	doc, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, found := bytes.Cut(doc, []byte(from))
	_, after, closed := bytes.Cut(rest, []byte(upTo))
	if !found || !closed {
		return fmt.Errorf("%s has no marks for the figures", file)
	}
	out := slices.Concat(before, []byte(from+"\n"+text+"\n"+upTo), after)
	return os.WriteFile(file, out, 0o644)
}
