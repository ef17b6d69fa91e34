package member

import (
	"cmp"
	"log/slog"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Foreign is another cluster whose packets or streams came here and were
// refused.
type Foreign struct {
	Cluster string // its name; empty if it gave none
	Addr    string // where the last one came from
	Count   uint64
	Last    time.Time
}

// maxForeign bounds how many foreign clusters are told apart; what comes from
// more is counted under the name otherForeign.
const maxForeign = 64

const otherForeign = "(others)"

// retell is how long the log is silent about a foreign cluster it has named.
const retell = time.Hour

// foreigners counts what came from other clusters.
type foreigners struct {
	own string
	log *slog.Logger

	mu   sync.Mutex // guards seen
	seen map[string]*sighting
}

type sighting struct {
	Foreign
	told time.Time
}

func newForeigners(own string, log *slog.Logger) *foreigners {
	return &foreigners{own: own, log: log, seen: make(map[string]*sighting)}
}

// admits reports whether a label is that of this cluster, and counts it if not.
func (f *foreigners) admits(label string, from netip.AddrPort) bool {
	if label == f.own {
		return true
	}
	if s, tell := f.note(label, from); tell {
		f.log.Warn("another cluster refused", "cluster", s.Cluster, "own", f.own, "from", s.Addr, "count", s.Count)
	}
	return false
}

func (f *foreigners) note(label string, from netip.AddrPort) (s Foreign, tell bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	name := printable(label)
	at := f.seen[name]
	if at == nil && len(f.seen) >= maxForeign {
		name = otherForeign
		at = f.seen[name]
	}
	if at == nil {
		at = &sighting{Foreign: Foreign{Cluster: name}}
		f.seen[name] = at
	}
	now := time.Now()
	at.Addr, at.Last = from.String(), now
	at.Count++
	if tell = at.told.IsZero() || now.Sub(at.told) >= retell; tell {
		at.told = now
	}
	return at.Foreign, tell
}

// list returns the foreign clusters by name.
func (f *foreigners) list() []Foreign {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []Foreign
	for _, s := range f.seen {
		out = append(out, s.Foreign)
	}
	slices.SortFunc(out, func(a, b Foreign) int { return cmp.Compare(a.Cluster, b.Cluster) })
	return out
}

// printable makes a label that a stranger sent safe to show.
func printable(label string) string {
	const most = 64
	for i := range len(label) {
		if c := label[i]; c <= ' ' || c > '~' || i >= most {
			return strconv.QuoteToASCII(label[:min(len(label), most)])
		}
	}
	return label
}
