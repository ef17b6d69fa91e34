package sim

import (
	"bufio"
	"context"
	"maps"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/starlingkv/starling/internal/engine"
)

// seeds is how many seeds the tests play; make test plays 500 more without the
// race detector, which slows a seed down ten times and has nothing to find in a
// single goroutine.
const seeds = 40

func TestSameSeedSameTrace(t *testing.T) {
	for seed := range uint64(6) {
		a, b := Run(seed, Options{}), Run(seed, Options{})
		if a.Trace != b.Trace {
			t.Errorf("seed %d played twice: %x and %x", seed, a.Trace[:4], b.Trace[:4])
		}
		if c := Run(seed+1, Options{}); c.Trace == a.Trace {
			t.Errorf("seeds %d and %d have one trace", seed, seed+1)
		}
	}
}

func TestSeedsHaveNoViolation(t *testing.T) {
	r := Campaign{From: 1, Seeds: seeds, Workers: runtime.GOMAXPROCS(0)}.Run(context.Background(), nil, nil)
	for _, b := range r.Bad {
		t.Errorf("seed %d: %s", b.Seed, strings.Join(b.Violations, "; "))
	}
}

func TestASeedIsAStory(t *testing.T) {
	all := 0
	for seed := range uint64(5) {
		r := Run(seed, Options{})
		ops := 0
		for name, n := range r.Counts.Ops {
			if name != "no node runs" {
				ops += n
			}
		}
		events := 0
		for _, f := range faults {
			events += r.Counts.Faults[f.name]
		}
		all += ops
		// In some seeds no node runs for half of the time.
		if r.Nodes < 3 || r.Nodes > 9 || ops < 100 || events < 5 || r.Virtual.Seconds() < 60 {
			t.Errorf("seed %d: %d nodes, %d operations, %d faults, %v", seed, r.Nodes, ops, events, r.Virtual)
		}
	}
	if all < 1200 {
		t.Errorf("%d operations in five seeds", all)
	}
}

// TestKeptSeeds plays every seed that once found a bug.
func TestKeptSeeds(t *testing.T) {
	f, err := os.Open("testdata/seeds.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for in := bufio.NewScanner(f); in.Scan(); {
		num, _, _ := strings.Cut(in.Text(), " ")
		if num == "" || strings.HasPrefix(num, "#") {
			continue
		}
		seed, err := strconv.ParseUint(num, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		if r := Run(seed, Options{}); len(r.Violations) > 0 {
			t.Errorf("seed %d: %v", seed, r.Violations)
		}
	}
}

// soon is how many seeds the test tries for a bug that docs/planted.md says is
// found at once. A bug that takes longer is tried with its own seed only: when
// the engine changes, make planted looks for another.
const soon = 60

// TestPlantedBugsAreFound looks for each planted bug, and expects the oracle
// that docs/planted.md names to bite.
func TestPlantedBugsAreFound(t *testing.T) {
	text, err := os.ReadFile("../../docs/planted.md")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for line := range strings.Lines(string(text)) {
		cols := strings.Split(line, "|")
		if len(cols) < 7 {
			continue
		}
		name := strings.TrimSpace(cols[1])
		within, err := strconv.ParseUint(strings.TrimSpace(cols[4]), 10, 64)
		plant, known := plants[name]
		if err != nil || !known {
			continue
		}
		found++
		if within > 2000 {
			t.Errorf("%s is found within %d seeds only", name, within)
		}
		first, last := uint64(1), uint64(soon)
		if within > soon {
			first, last = within, within
		}
		expectOracle(t, name, strings.TrimSpace(cols[5]), seedRange{first, last, Options{Plant: plant}})
	}
	if found != len(plants) {
		t.Errorf("docs/planted.md says of %d planted bugs when they are found, there are %d", found, len(plants))
	}
}

// TestMakePlantedTriesEachBug reads the list of the target: a bug that is not on it is never looked for again.
func TestMakePlantedTriesEachBug(t *testing.T) {
	text, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(text), "for bug in ")
	list, _, _ = strings.Cut(list, ";")
	listed := strings.Fields(list)
	slices.Sort(listed)
	if want := slices.Sorted(maps.Keys(plants)); !slices.Equal(listed, want) {
		t.Errorf("make planted tries %q, want %q", listed, want)
	}
}

type seedRange struct {
	first, last uint64
	opt         Options
}

func expectOracle(t *testing.T, name, oracle string, in seedRange) {
	t.Helper()
	for seed := in.first; seed <= in.last; seed++ {
		for _, v := range Run(seed, in.opt).Violations {
			if v.Oracle == oracle {
				return
			}
		}
	}
	t.Errorf("%s: seeds %d..%d do not find it by %s: run make planted", name, in.first, in.last, oracle)
}

func TestReportsAddUpAndGoOn(t *testing.T) {
	whole := Campaign{From: 7, Seeds: 6}.Run(context.Background(), nil, nil)
	part := Campaign{From: 7, Seeds: 2}.Run(context.Background(), nil, nil)
	part = Campaign{From: 7, Seeds: 6}.Run(context.Background(), part, nil)
	if part.Done != whole.Done || part.Virtual != whole.Virtual {
		t.Errorf("went on to %d seeds and %v, the whole is %d and %v", part.Done, part.Virtual, whole.Done, whole.Virtual)
	}
	if a, b := total(part.Counts.Frames), total(whole.Counts.Frames); a != b {
		t.Errorf("%d frames in two parts, %d in one", a, b)
	}
	stopped, cancel := context.WithCancel(context.Background())
	cancel()
	if r := (Campaign{From: 1, Seeds: 1000}).Run(stopped, nil, nil); r.Done != 0 {
		t.Errorf("played %d seeds after the end", r.Done)
	}
}

func TestUnreachedIsRed(t *testing.T) {
	r := &Report{Done: enough, Counts: NewCounts()}
	all := len(r.Unreached())
	if want := len(faults) + len(mustFault) + len(mustFrame) + len(mustRule) + len(mustEnd) + len(mustOp); all != want {
		t.Errorf("%d things were never reached, want %d", all, want)
	}
	r.Counts.Frames["BUSY"] = 1
	if len(r.Unreached()) != all-1 {
		t.Error("what was reached is still red")
	}
	r.Done = enough - 1
	if len(r.Unreached()) != 0 {
		t.Error("too few seeds are red")
	}
}

func TestPlantNames(t *testing.T) {
	if p, err := PlantByName("p13"); err != nil || p != engine.PlantNoPrev {
		t.Errorf("p13 is %v, %v", p, err)
	}
	if _, err := PlantByName("P17"); err == nil || !strings.Contains(err.Error(), "P16") {
		t.Errorf("P17: %v", err)
	}
}

// BenchmarkSeed measures what a standard seed costs: at most 100 ms.
func BenchmarkSeed(b *testing.B) {
	for seed := uint64(0); b.Loop(); seed++ {
		Run(seed, Options{})
	}
}
