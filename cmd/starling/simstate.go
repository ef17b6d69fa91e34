package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/starlingkv/starling/internal/sim"
)

// simState is where an interrupted campaign goes on. It belongs to one commit:
// seeds of two versions do not add up.
type simState struct {
	Commit string
	Report *sim.Report
}

// loadState reads what is left of an interrupted campaign, nil if nothing is.
func loadState(at, name string, c sim.Campaign) (*sim.Report, error) {
	if name == "" {
		return nil, nil
	}
	b, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var s simState
	if err := json.Unmarshal(b, &s); err != nil || s.Report == nil || s.Report.Counts == nil {
		return nil, fmt.Errorf("%s is not the state of a campaign: remove it", name)
	}
	if s.Commit != at || s.Report.From != c.From || s.Report.Done > c.Seeds {
		return nil, fmt.Errorf("%s is of commit %s and seeds from %d on: remove it to begin anew", name, s.Commit, s.Report.From)
	}
	s.Report.Seeds = c.Seeds
	return s.Report, nil
}

// saveState writes how far a campaign has come, whole or not at all.
func saveState(at, name string, r *sim.Report) error {
	if name == "" {
		return nil
	}
	b, err := json.Marshal(simState{Commit: at, Report: r})
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(name+".new", b, 0o644); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}
