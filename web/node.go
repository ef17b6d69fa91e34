package web

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/starlingkv/starling/kv"
)

// Node tells about a node and its cluster.
type Node interface {
	// Name is the node's name in its cluster.
	Name() string
	// Ready reports whether the node takes writes.
	Ready() bool
	// Members returns the members, this node among them, by name.
	Members(ctx context.Context) ([]Member, error)
	// Status returns what the node knows of itself. It may ask every member, until ctx ends.
	Status(ctx context.Context) (Status, error)
}

// Member is a member of the cluster as the node sees it.
type Member struct {
	Name   string    `json:"name"`
	Addr   string    `json:"addr"`
	State  string    `json:"state"` // alive, dead or left
	Since  time.Time `json:"since,omitzero"`
	Self   bool      `json:"self,omitempty"`
	Origin string    `json:"origin,omitempty"` // marks what this run of its process writes
	Native bool      `json:"native"`           // it speaks a protocol version that the node speaks
}

// Status is what a node knows of itself.
type Status struct {
	Node          string    `json:"node"`
	Cluster       string    `json:"cluster"`
	Backend       string    `json:"backend"` // gossip
	State         string    `json:"state"`   // starting, running, leaving, closed or failed
	Ready         bool      `json:"ready"`
	UptimeSeconds float64   `json:"uptime_seconds"`
	Keys          int       `json:"keys"`
	Tombstones    int       `json:"tombstones"`
	Agreement     Agreement `json:"agreement"`
	Foreign       []Foreign `json:"foreign"` // other clusters that were refused

	Capabilities capabilities `json:"capabilities"`
}

// Agreement says how many of the other live members hold what this node holds.
type Agreement struct {
	Members int          `json:"members"`        // this node among them
	Agree   int          `json:"agree"`          // this node among them
	AsOf    time.Time    `json:"as_of,omitzero"` // what was written up to then was compared, everywhere
	Differ  []Difference `json:"differ"`
	Lost    []string     `json:"lost,omitempty"` // members that died in the last 24 h, or are cut off: they cannot be asked
}

// Difference is a member that does not agree, or did not answer.
type Difference struct {
	Member string    `json:"member"`
	Reason string    `json:"reason"`
	Since  time.Time `json:"since,omitzero"`
	Keys   []string  `json:"keys,omitempty"` // some of those that differ
}

// Foreign is another cluster that knocked and was refused.
type Foreign struct {
	Cluster string    `json:"cluster"`
	Addr    string    `json:"addr"`
	Count   uint64    `json:"count"`
	Last    time.Time `json:"last"`
}

type capabilities struct {
	LinearizableCAS bool    `json:"linearizable_cas"`
	OrderedWatch    bool    `json:"ordered_watch"`
	TTL             bool    `json:"ttl"`
	TTLSlackSeconds float64 `json:"ttl_slack_seconds"`
	Persistent      bool    `json:"persistent"`
	MaxValue        int     `json:"max_value"`
	MediaTypes      bool    `json:"media_types"`
}

func capabilitiesOf(c kv.Capabilities) capabilities {
	return capabilities{
		LinearizableCAS: c.LinearizableCAS,
		OrderedWatch:    c.OrderedWatch,
		TTL:             c.TTL,
		TTLSlackSeconds: c.TTLSlack.Seconds(),
		Persistent:      c.Persistent,
		MaxValue:        c.MaxValue,
		MediaTypes:      c.Media,
	}
}

func (h *Handler) members(w http.ResponseWriter, r *http.Request) error {
	if _, err := queryOf(r); err != nil {
		return err
	}
	members, err := h.cfg.Node.Members(r.Context())
	if err != nil {
		return err
	}
	if members == nil {
		members = []Member{}
	}
	return reply(w, http.StatusOK, struct {
		Members []Member `json:"members"`
	}{members})
}

func (h *Handler) status(w http.ResponseWriter, r *http.Request) error {
	if _, err := queryOf(r); err != nil {
		return err
	}
	s, err := h.cfg.Node.Status(r.Context())
	if err != nil {
		return err
	}
	s.Capabilities = capabilitiesOf(h.reads.Capabilities())
	if s.Agreement.Differ == nil {
		s.Agreement.Differ = []Difference{}
	}
	if s.Foreign == nil {
		s.Foreign = []Foreign{}
	}
	return reply(w, http.StatusOK, s)
}

func (h *Handler) livez(w http.ResponseWriter, _ *http.Request) error {
	return ok(w)
}

// readyz says whether requests should come here: the node takes writes and goes on doing so. The health of its peers has
// no part in it, else a sick cluster would lose its healthy nodes too. With ?verbose it names what it looked at.
func (h *Handler) readyz(w http.ResponseWriter, r *http.Request) error {
	query, err := queryOf(r, "verbose")
	if err != nil {
		return err
	}
	var said strings.Builder
	var failed error
	for _, check := range []struct {
		name string
		err  error
	}{{"running", h.running()}, {"reads", h.readable(r.Context())}, {"stays", h.stays()}} {
		if check.err == nil {
			said.WriteString("[+] " + check.name + " ok\n")
			continue
		}
		failed = check.err
		said.WriteString("[-] " + check.name + " failed: " + check.err.Error() + "\n")
	}
	switch {
	case failed != nil && query.Has("verbose"):
		return newProblem(notReady, strings.TrimSuffix(said.String(), "\n"))
	case failed != nil:
		return newProblem(notReady, failed.Error())
	case query.Has("verbose"):
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, said.String()+"ok\n")
		return nil
	}
	return ok(w)
}

// running is the check that the node takes writes.
func (h *Handler) running() error {
	if h.cfg.Node.Ready() {
		return nil
	}
	return errors.New("this node does not take writes")
}

// stays is the check that the server does not end.
func (h *Handler) stays() error {
	if h.ending.Load() {
		return errors.New("this server is about to end, and answers until then")
	}
	return nil
}

// readable is the check that the store answers.
func (h *Handler) readable(ctx context.Context) error {
	_, err := h.look(ctx, "-")
	return err
}

func ok(w http.ResponseWriter) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, "ok\n")
	return nil
}
