package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/starlingkv/starling/kv/httpkv"
	"github.com/starlingkv/starling/web"
)

// memberError is that there is no such member.
type memberError struct{ name string }

// Error names the member.
func (e *memberError) Error() string { return fmt.Sprintf("there is no member %q", e.name) }

func (p *program) membersCommand() *cobra.Command {
	var states []string
	c := &cobra.Command{
		Use:   "members",
		Short: "list the members of the cluster as the node sees them",
		Args:  arguments(0, 0),
	}
	c.Flags().StringSliceVar(&states, "state", nil, "show only those that are alive, dead or left; several with commas")
	c.RunE = func(c *cobra.Command, _ []string) error {
		for _, s := range states {
			if s != "alive" && s != "dead" && s != "left" {
				return usage(c, fmt.Errorf("--state %s: want alive, dead or left", s))
			}
		}
		members, err := p.members(c)
		if err != nil {
			return err
		}
		members = slices.DeleteFunc(members, func(m web.Member) bool {
			return len(states) > 0 && !slices.Contains(states, m.State)
		})
		return p.showMembers(members)
	}
	c.AddCommand(p.forgetCommand())
	return c
}

func (p *program) members(c *cobra.Command) ([]web.Member, error) {
	var answer struct {
		Members []web.Member `json:"members"`
	}
	_, err := p.ask(c, "/v1/members", &answer)
	return answer.Members, err
}

func (p *program) showMembers(members []web.Member) error {
	rows := [][]string{{"NAME", "ADDR", "STATE", "SINCE"}}
	var names strings.Builder
	for _, m := range members {
		rows = append(rows, []string{m.Name, m.Addr, m.State, age(m.Since, time.Now())})
		names.WriteString(m.Name + "\n")
	}
	switch f := p.format(asTable); f {
	case asJSON:
		return p.json(f, members)
	case asLines:
		return lines(p, members)
	case asRaw:
		_, err := p.out.Write([]byte(names.String()))
		return err
	}
	return p.table(rows)
}

// lines prints each element as one document on one line.
func lines[T any](p *program, all []T) error {
	for _, v := range all {
		if err := p.json(asLines, v); err != nil {
			return err
		}
	}
	return nil
}

// forgotten is what forget prints as JSON.
type forgotten struct {
	Name      string `json:"name"`
	Forgotten bool   `json:"forgotten"`
}

func (p *program) forgetCommand() *cobra.Command {
	var gone bool
	var olderThan time.Duration
	c := &cobra.Command{
		Use:   "forget NAME | forget --gone [--older-than 10m]",
		Short: "drop members that died or left from the node's list",
		Long: "Drops a member that died or left from the list of the node, which then calls it no more. The node does so by itself\n" +
			"after a day. Other nodes are not told; a member that lives is never forgotten.",
		Args: arguments(0, 1),
	}
	c.Flags().BoolVar(&gone, "gone", false, "forget every member that died or left")
	c.Flags().DurationVar(&olderThan, "older-than", 0, "with --gone: only those that went at least this long ago")
	c.RunE = func(c *cobra.Command, args []string) error {
		if gone == (len(args) == 1) {
			return usage(c, errors.New("forget wants a name or --gone, one of the two"))
		}
		names := args
		if gone {
			members, err := p.members(c)
			if err != nil {
				return err
			}
			for _, m := range members {
				if m.State != "alive" && time.Since(m.Since) >= olderThan {
					names = append(names, m.Name)
				}
			}
		}
		return p.forget(c, names)
	}
	return c
}

func (p *program) forget(c *cobra.Command, names []string) error {
	done := []forgotten{}
	for _, name := range names {
		var f forgotten
		_, err := p.tell(c, http.MethodDelete, "/v1/members/"+url.PathEscape(name), &f)
		var problem *httpkv.Problem
		if errors.As(err, &problem) && problem.Kind == "not-found" {
			err = &memberError{name: name}
		}
		if err != nil {
			return err
		}
		done = append(done, f)
	}
	switch f := p.format(asTable); f {
	case asJSON:
		return p.json(f, done)
	case asLines:
		return lines(p, done)
	}
	for _, f := range done {
		if _, err := fmt.Fprintln(p.out, f.Name); err != nil {
			return err
		}
	}
	return nil
}

// departed is what leave prints as JSON.
type departed struct {
	Node string `json:"node"`
	Left bool   `json:"left"`
}

func (p *program) leaveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "leave",
		Short: "let the node hand over what it knows, say goodbye and end",
		Long: "Asks the node at --addr to leave its cluster. When this returns with exit code 0, the node has handed over what others\n" +
			"did not have, and has said goodbye; a starling server then ends.",
		Args: arguments(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			var d departed
			if _, err := p.tell(c, http.MethodPost, "/v1/leave", &d); err != nil {
				return err
			}
			if f := p.format(asTable); f == asJSON || f == asLines {
				return p.json(f, d)
			}
			_, err := fmt.Fprintf(p.out, "%s left\n", d.Node)
			return err
		},
	}
}
