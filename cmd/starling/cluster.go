package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/starlingkv/starling/web"
)

// ask reads a route of the node into v and returns the document as it came, for JSON output.
func (p *program) ask(c *cobra.Command, path string, v any) (json.RawMessage, error) {
	return p.tell(c, http.MethodGet, path, v)
}

// tell sends a request without a body to the node.
func (p *program) tell(c *cobra.Command, method, path string, v any) (json.RawMessage, error) {
	client, err := p.dial(c)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(c.Context(), p.global.timeout)
	defer cancel()
	var document json.RawMessage
	if err := client.Call(ctx, method, path, &document); err != nil {
		return nil, err
	}
	return document, json.Unmarshal(document, v)
}

func (p *program) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "tell how the node is, and whether the cluster agrees; exit code 7 if not",
		Long: "Asks the node how it is, and the node asks every member whether it holds the same, leaving out what was written in\n" +
			"the last ten seconds. The exit code is 7 if the node does not take writes or a member does not agree. Members that\n" +
			"were lost in the last 24 hours are named: they may live on behind a cut, where they cannot be asked.",
		Args: arguments(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			var s web.Status
			document, err := p.ask(c, "/v1/status", &s)
			if err != nil {
				return err
			}
			switch f := p.format(asTable); f {
			case asJSON, asLines:
				err = p.json(f, document)
			case asRaw:
				_, err = fmt.Fprintf(p.out, "%d of %d agree\n", s.Agreement.Agree, s.Agreement.Members)
			default:
				err = p.table(statusRows(s, time.Now()))
			}
			if err != nil {
				return err
			}
			return wellness(s)
		},
	}
}

// wellness is the error of a status that is not as it should be.
func wellness(s web.Status) error {
	switch {
	case !s.Ready:
		return errNoWrites
	case s.Agreement.Agree < s.Agreement.Members:
		return errDiffer
	}
	return nil
}

// agreeing tells how many agree. Those that agree are not all if others were lost: they may live behind a cut.
func agreeing(a web.Agreement) string {
	if len(a.Lost) == 0 {
		return fmt.Sprintf("%d of %d agree", a.Agree, a.Members)
	}
	all := fmt.Sprintf("%d of %d members seen in the last 24 h; ", a.Members, a.Members+len(a.Lost))
	if a.Agree == a.Members {
		return all + fmt.Sprintf("the %d agree", a.Agree)
	}
	return all + fmt.Sprintf("%d of %d agree", a.Agree, a.Members)
}

// statusRows tells a status to people.
func statusRows(s web.Status, now time.Time) [][]string {
	agree := agreeing(s.Agreement)
	if !s.Agreement.AsOf.IsZero() {
		agree += ", as of " + age(s.Agreement.AsOf, now) + " ago"
	}
	rows := [][]string{
		{"node", s.Node},
		{"cluster", s.Cluster},
		{"state", s.State},
		{"uptime", age(now.Add(-time.Duration(s.UptimeSeconds*float64(time.Second))), now)},
		{"keys", strconv.Itoa(s.Keys)},
		{"agreement", agree},
	}
	for _, name := range s.Agreement.Lost {
		rows = append(rows, []string{"lost", name + ": it died, or the network is cut; if it is gone for good, starling members forget " + name})
	}
	for _, d := range s.Agreement.Differ {
		text := d.Member + ": " + d.Reason
		if !d.Since.IsZero() {
			text += ", since " + age(d.Since, now)
		}
		if len(d.Keys) > 0 {
			text += fmt.Sprintf(", as in %q", d.Keys)
		}
		rows = append(rows, []string{"differs", text})
	}
	for _, f := range s.Foreign {
		rows = append(rows, []string{"refused", fmt.Sprintf("cluster %s at %s, %d times, last %s ago", f.Cluster, f.Addr, f.Count, age(f.Last, now))})
	}
	return rows
}
