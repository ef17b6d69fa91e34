package member

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Seed is what is known of one seed.
type Seed struct {
	Seed    string
	Addrs   []netip.AddrPort // as of the last answer
	Err     error            // of the last look-up; Addrs are from before then
	Changed time.Time        // when Addrs or Err last became other ones; zero: not looked up yet
}

// seeds looks up all seeds, and remembers what they were: a name server that is
// down takes no seed away.
type seeds struct {
	resolver Resolver
	log      *slog.Logger
	parsed   []seed

	mu    sync.Mutex // guards known
	known []Seed
}

func newSeeds(texts []string, r Resolver, log *slog.Logger) (*seeds, error) {
	if r == nil {
		r = net.DefaultResolver
	}
	s := &seeds{resolver: r, log: log}
	var errs []error
	for _, text := range texts {
		one, err := parseSeed(text)
		errs = append(errs, err)
		s.parsed = append(s.parsed, one)
		s.known = append(s.known, Seed{Seed: text})
	}
	return s, errors.Join(errs...)
}

// resolve looks up all seeds at once and returns what is known of them then.
func (s *seeds) resolve(ctx context.Context) []Seed {
	var all sync.WaitGroup
	for i, one := range s.parsed {
		all.Go(func() {
			addrs, err := one.lookup(ctx, s.resolver)
			if err == nil || ctx.Err() == nil {
				s.note(i, addrs, err)
			}
		})
	}
	all.Wait()
	return s.list()
}

// note takes an answer, and logs what is new about it.
func (s *seeds) note(i int, addrs []netip.AddrPort, err error) {
	s.mu.Lock()
	k := &s.known[i]
	failed := k.Err != nil
	var came, went []netip.AddrPort
	if err == nil {
		came, went = without(addrs, k.Addrs), without(k.Addrs, addrs)
		k.Addrs = addrs
	}
	if k.Changed.IsZero() || failed != (err != nil) || len(came)+len(went) > 0 {
		k.Changed = time.Now()
	}
	k.Err = err
	name := k.Seed
	s.mu.Unlock()
	switch {
	case err != nil && !failed:
		s.log.Warn("seed not found", "seed", name, "err", err)
	case err != nil:
		s.log.Debug("seed not found", "seed", name, "err", err)
	case failed || len(came)+len(went) > 0:
		s.log.Info("seed found", "seed", name, "came", came, "went", went)
	}
}

// without returns what of a is not in b.
func without(a, b []netip.AddrPort) []netip.AddrPort {
	return slices.DeleteFunc(slices.Clone(a), func(x netip.AddrPort) bool { return slices.Contains(b, x) })
}

func (s *seeds) list() []Seed {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.known) // the addresses are replaced, never written into
}
