package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/starlingkv/starling/web"
)

// finding is one thing that is wrong, and what to do next.
type finding struct {
	Kind   string `json:"kind"`
	About  string `json:"about"` // a member, a seed, a cluster
	Detail string `json:"detail"`
	Next   string `json:"next"`
}

// The kinds of findings.
const (
	noUDP       = "udp"
	noTCP       = "tcp"
	noReach     = "unreachable" // neither
	badAddress  = "advertise"
	badClock    = "clock"
	otherOnes   = "foreign"
	emptySeed   = "seed"
	nameAgain   = "name"
	otherSpeech = "version"
	originAgain = "origin"
	clockLimit  = 10 * time.Second
	clockNotice = clockLimit / 2
)

func (p *program) doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "doctor",
		Aliases: []string{"reachability"},
		Short:   "let the node try its connections, and say what is wrong and what to do; exit code 7 if something is",
		Long: "Lets the node ask every live member, and itself, by UDP and TCP at the address that it tells others, and looks at its\n" +
			"seeds, its clock, its name and who knocked. It sees what this one node sees: run it against several.",
		Args: arguments(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			var x web.Examination
			if _, err := p.ask(c, "/v1/examine", &x); err != nil {
				return err
			}
			found := diagnose(x)
			if err := p.showFindings(x, found); err != nil {
				return err
			}
			if len(found) > 0 {
				return fmt.Errorf("%w: %d findings", errFindings, len(found))
			}
			return nil
		},
	}
}

// diagnose turns what a node has found into what is wrong.
func diagnose(x web.Examination) []finding {
	found := []finding{}
	for _, r := range x.Reach {
		if f, wrong := ofReach(r); wrong {
			found = append(found, f)
		}
	}
	for _, s := range x.Seeds {
		if len(s.Addrs) == 0 || s.Error != "" {
			found = append(found, ofSeed(s))
		}
	}
	for _, f := range x.Foreign {
		found = append(found, finding{
			Kind: otherOnes, About: f.Cluster,
			Detail: fmt.Sprintf("cluster %s knocked %d times, last from %s, and was refused", f.Cluster, f.Count, f.Addr),
			Next:   "nothing was mixed; correct --cluster or the seeds of whoever runs at " + f.Addr,
		})
	}
	if x.Namesake != "" {
		found = append(found, finding{
			Kind: nameAgain, About: x.Node, Detail: "another live node has the name " + x.Node + ", at " + x.Namesake,
			Next: "give one of the two another --name, and restart it",
		})
	}
	if x.Clashes > 0 {
		found = append(found, finding{
			Kind: originAgain, About: x.Node,
			Detail: fmt.Sprintf("another process had the origin under which this one writes, %d times; it took a new one", x.Clashes),
			Next:   "do not start a copy of a running machine or of its memory; restart both to be rid of this line",
		})
	}
	offset := time.Duration(x.Clock.OffsetSeconds * float64(time.Second))
	if x.Clock.Warn || offset.Abs() > clockNotice {
		found = append(found, finding{
			Kind: badClock, About: x.Node,
			Detail: fmt.Sprintf("the clocks of %d peers differ from this one by %v in the median", x.Clock.Peers, offset.Round(time.Millisecond)),
			Next:   fmt.Sprintf("set the clock of %s right, or those of the others; past %v it takes no writes", x.Node, clockLimit),
		})
	}
	return found
}

// ofReach judges one member. The own address, if nothing answers there, is a wrong one.
func ofReach(r web.Reach) (finding, bool) {
	f := finding{About: r.Name, Detail: strings.TrimPrefix(r.TCPError+"; "+r.UDPError, "; ")}
	switch {
	case r.Alien && r.UDPError == "" && r.TCPError == "":
		f.Kind, f.Detail = otherSpeech, r.Name+" speaks no version of the protocol that this node speaks: nothing is exchanged with it"
		f.Next = "upgrade the older of the two; adjacent versions mix"
		return f, true
	case r.UDPError == "" && r.TCPError == "":
		return f, false
	case r.Self:
		f.Kind = badAddress
		f.Detail = r.Addr + " is what others are told, and this node does not answer there: " + strings.Trim(f.Detail, "; ")
		f.Next = "give it an --advertise address that leads to its --bind address, by UDP and by TCP"
	case r.TCPError == "":
		f.Kind, f.Detail = noUDP, "no answer by UDP at "+r.Addr+", though TCP works: "+r.UDPError
		f.Next = "let UDP through to " + r.Addr + "; a firewall that only knows TCP is the usual cause"
	case r.UDPError == "":
		f.Kind, f.Detail = noTCP, "no answer by TCP at "+r.Addr+", though UDP works: "+r.TCPError
		f.Next = "let TCP through to " + r.Addr + ": without it, missed writes are not repaired"
	default:
		f.Kind, f.Detail = noReach, "no answer at "+r.Addr+", by UDP or TCP: "+strings.Trim(f.Detail, "; ")
		f.Next = "is " + r.Name + " running, and is " + r.Addr + " the right --advertise address for it?"
	}
	return f, true
}

func ofSeed(s web.Seed) finding {
	f := finding{Kind: emptySeed, About: s.Seed, Detail: "names no address", Next: "correct the seed, or add the record; it is looked up again by itself"}
	if s.Error != "" {
		f.Detail = s.Error
	}
	return f
}

func (p *program) showFindings(x web.Examination, found []finding) error {
	switch f := p.format(asTable); f {
	case asJSON:
		return p.json(f, found)
	case asLines:
		return lines(p, found)
	case asRaw:
		for _, one := range found {
			if _, err := fmt.Fprintln(p.out, one.Kind+" "+one.About); err != nil {
				return err
			}
		}
		return nil
	}
	if len(found) == 0 {
		_, err := fmt.Fprintf(p.out, "nothing is wrong, as %s sees it: %d members answer by UDP and TCP\n", x.Node, len(x.Reach))
		return err
	}
	for _, one := range found {
		if _, err := fmt.Fprintf(p.out, "%s %s: %s\n            next: %s\n", p.paint(red, fmt.Sprintf("%-11s", one.Kind)), one.About, one.Detail, one.Next); err != nil {
			return err
		}
	}
	return nil
}
