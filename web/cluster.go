package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
)

// The optional interfaces of a Node. A route whose interface the node lacks answers 501.
type (
	// Leaver is a Node that can be told to leave its cluster.
	Leaver interface {
		// Leave hands over what others do not have yet, says goodbye, and returns. The process may end then, once the
		// request is answered.
		Leave(ctx context.Context) error
	}
	// Forgetter is a Node that can forget members before their time.
	Forgetter interface {
		// Forget drops a member that is gone, and reports whether there was one. Of one that lives it returns ErrAlive.
		Forget(ctx context.Context, name string) (found bool, err error)
	}
	// Examiner is a Node that can try its connections.
	Examiner interface {
		Examine(ctx context.Context) (Examination, error)
	}
)

// ErrAlive is the error of a Forgetter for a member that lives.
var ErrAlive = errors.New("the member is alive: it can leave, or be ended, but not be forgotten")

// Examination is what a node finds when it tries its connections.
type Examination struct {
	Node     string    `json:"node"`
	Addr     string    `json:"addr"`    // what it tells others
	Reach    []Reach   `json:"reach"`   // the live members, the node among them
	Seeds    []Seed    `json:"seeds"`   // as of the last look-up
	Foreign  []Foreign `json:"foreign"` // other clusters that were refused
	Namesake string    `json:"namesake,omitempty"`
	Clock    Clock     `json:"clock"`
	Clashes  uint64    `json:"clashes,omitempty"` // how often another process had the node's origin
}

// Reach is whether a member answers at the address that it tells others.
type Reach struct {
	Name       string  `json:"name"`
	Addr       string  `json:"addr"`
	Self       bool    `json:"self,omitempty"`
	Alien      bool    `json:"alien,omitempty"`     // it speaks no version of the protocol that the node speaks
	UDPError   string  `json:"udp_error,omitempty"` // empty: it answers
	TCPError   string  `json:"tcp_error,omitempty"` // empty: it answers
	RTTSeconds float64 `json:"rtt_seconds"`         // by UDP
}

// Seed is what a seed names.
type Seed struct {
	Seed  string   `json:"seed"`
	Addrs []string `json:"addrs"`
	Error string   `json:"error,omitempty"`
}

// Clock is how far the clocks of the peers are from the node's.
type Clock struct {
	OffsetSeconds float64 `json:"offset_seconds"` // the median; positive: they are ahead
	Peers         int     `json:"peers"`          // of whom it was heard of late
	Warn          bool    `json:"warn,omitempty"` // more than half of what stops writes
}

const memberPath = "/v1/members/"

// serveMember serves one member, whose name stands percent-encoded behind memberPath.
func (h *Handler) serveMember(w http.ResponseWriter, r *http.Request, escaped string) error {
	if err := allow(w, r, http.MethodGet, http.MethodHead, http.MethodDelete); err != nil {
		return err
	}
	if _, err := queryOf(r); err != nil {
		return err
	}
	name, err := url.PathUnescape(escaped)
	if err != nil {
		return newProblem(badRequest, "the path is not percent-encoded: "+err.Error())
	}
	if r.Method == http.MethodDelete {
		return h.forget(w, r, name)
	}
	members, err := h.cfg.Node.Members(r.Context())
	if err != nil {
		return err
	}
	for _, m := range members {
		if m.Name == name {
			return reply(w, http.StatusOK, m)
		}
	}
	return noMember(name)
}

func noMember(name string) error { return newProblem(notFound, "there is no member "+name) }

// forgotten is the answer to a member that was forgotten.
type forgotten struct {
	Name      string `json:"name"`
	Forgotten bool   `json:"forgotten"`
}

func (h *Handler) forget(w http.ResponseWriter, r *http.Request, name string) error {
	node, ok := h.cfg.Node.(Forgetter)
	if !ok {
		return newProblem(unsupported, "this node forgets no members")
	}
	found, err := node.Forget(r.Context(), name)
	switch {
	case errors.Is(err, ErrAlive):
		return newProblem(alive, name+" can leave, or be ended, but not be forgotten")
	case err != nil:
		return err
	case !found:
		return noMember(name)
	}
	return reply(w, http.StatusOK, forgotten{Name: name, Forgotten: true})
}

func (h *Handler) examine(w http.ResponseWriter, r *http.Request) error {
	if _, err := queryOf(r); err != nil {
		return err
	}
	node, ok := h.cfg.Node.(Examiner)
	if !ok {
		return newProblem(unsupported, "this node has no connections to try")
	}
	x, err := node.Examine(r.Context())
	if err != nil {
		return err
	}
	if x.Reach == nil {
		x.Reach = []Reach{}
	}
	if x.Seeds == nil {
		x.Seeds = []Seed{}
	}
	if x.Foreign == nil {
		x.Foreign = []Foreign{}
	}
	return reply(w, http.StatusOK, x)
}

// left is the answer to a node that left.
type left struct {
	Node string `json:"node"`
	Left bool   `json:"left"`
}

func (h *Handler) leave(w http.ResponseWriter, r *http.Request) error {
	if _, err := queryOf(r); err != nil {
		return err
	}
	node, ok := h.cfg.Node.(Leaver)
	if !ok {
		return newProblem(unsupported, "this node has no cluster to leave")
	}
	if err := node.Leave(r.Context()); err != nil {
		return err
	}
	return reply(w, http.StatusOK, left{Node: h.cfg.Node.Name(), Left: true})
}
