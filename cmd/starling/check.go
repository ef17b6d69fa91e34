package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/starlingkv/starling/web"
)

// judgement is what check prints as JSON.
type judgement struct {
	OK       bool     `json:"ok"`
	Node     string   `json:"node"`
	Members  int      `json:"members"`
	Agree    int      `json:"agree"`
	Lost     []string `json:"lost,omitempty"` // no trouble by itself: a process that is gone for good is lost for a day
	Troubles []string `json:"troubles"`

	agreeing string
}

// errFew is the error of a check that wants more members.
var errFew = fmt.Errorf("%w: too few members live", errFindings)

// checkFlags are what a check wants.
type checkFlags struct{ members int }

func (p *program) checkCommand() *cobra.Command {
	var flags checkFlags
	c := &cobra.Command{
		Use:   "check",
		Short: "say in one line whether all is well; exit code 7 if not",
		Long: "For monitoring: one line, and exit code 0 if the node takes writes and every live member agrees, 7 if not, 5 if the\n" +
			"node does not answer. What was written in the last ten seconds is left out. Members that were lost in the last 24\n" +
			"hours are counted, and fail a check only by --members.",
		Args: arguments(0, 0),
	}
	c.Flags().IntVar(&flags.members, "members", 0, "fail with fewer live members than these, the node among them")
	c.RunE = func(c *cobra.Command, _ []string) error {
		var s web.Status
		if _, err := p.ask(c, "/v1/status", &s); err != nil {
			return err
		}
		v := judgement{Node: s.Node, Members: s.Agreement.Members, Agree: s.Agreement.Agree, Lost: s.Agreement.Lost, Troubles: troubles(s), agreeing: agreeing(s.Agreement)}
		if v.Members < flags.members {
			v.Troubles = append(v.Troubles, fmt.Sprintf("%d live members, want %d", v.Members, flags.members))
		}
		v.OK = len(v.Troubles) == 0
		if err := p.showJudgement(v); err != nil {
			return err
		}
		if err := wellness(s); err != nil || v.OK {
			return err
		}
		return errFew
	}
	return c
}

func (p *program) showJudgement(v judgement) error {
	word, colour := "OK", green
	if !v.OK {
		word, colour = "CRITICAL", red
	}
	var err error
	switch f := p.format(asTable); {
	case f == asJSON || f == asLines:
		return p.json(f, v)
	case f == asRaw:
		_, err = fmt.Fprintln(p.out, word)
	default:
		said := append([]string{v.agreeing}, v.Troubles...)
		_, err = fmt.Fprintf(p.out, "%s %s: %s\n", p.paint(colour, word), v.Node, strings.Join(said, "; "))
	}
	return err
}

// troubles lists why a status is not as it should be; none if it is.
func troubles(s web.Status) []string {
	out := []string{}
	if !s.Ready {
		out = append(out, "the node takes no writes: it is "+s.State)
	}
	for _, d := range s.Agreement.Differ {
		out = append(out, d.Member+" "+d.Reason)
	}
	if n := s.Agreement.Members - s.Agreement.Agree; n > len(s.Agreement.Differ) {
		out = append(out, fmt.Sprintf("%d members do not agree", n))
	}
	return out
}
