package sim

import (
	"fmt"
	"math"
)

// Expected is what the design of the protocol makes of a Scale: formulas with
// nothing measured in them but the sizes of frames.
type Expected struct {
	MeanHops float64 // log4 of the members, less 0.4: few places are as deep as the deepest
	MaxHops  int     // of an update that nobody had to ask for
	Payloads float64 // per member to reach: who fails is handed the cell again
	Haves    float64 // per update and node: receipts, random digests, checks of parts
	Bytes    float64 // per update and node
	Missed   float64 // share of (member, update) that packets alone do not bring
}

// The sizes of frames of one cell, in packets of memberlist: a DELTA without its
// body, a HAVE without a range, one with it or a WANT.
const (
	deltaBytes = 110
	haveBytes  = 52
	checkBytes = 68
)

const partChecks = 8 // of a part without a receipt

// Expect computes it. With p as the loss and x as the dead share, a cell that is
// handed to a member fails with q = 1 - (1-p)(1-x), and a receipt comes with
// (1-p)(1-q). How many random digests there are follows from the loss that
// receipts show. What may be missed counts 4 or 6 checks of the 8: the others are
// there for what the formula does not know, see docs/scale.md.
func (s Scale) Expect() Expected {
	p, q := s.Loss, 1-(1-s.Loss)*(1-s.Dead)
	n := float64(s.Nodes)
	depth := math.Log(n)/math.Log(4) - 0.4
	checks, tells, told := 4.0, 1.0, 2./3 // who has receipts of all its parts tells nobody
	switch shown := 1 - math.Sqrt((1-p)*(1-q)); {
	case shown >= 0.10:
		checks, tells, told = 6, 4, 4
	case shown >= 0.02:
		tells, told = 2, 2
	}
	// Parts that failed are checked until a check comes, and asked for until an
	// answer does. Of parts whose receipt got lost the head confirms again when it
	// is checked, but what was handed out twice by then is checked in pieces: both
	// together are taken for as many as a part has checks.
	again := q/(1-q) + (1-q)*p*partChecks + q*p*(partChecks-1)
	wants := q / (1 - p) / (1 - p)
	e := Expected{
		MeanHops: depth,
		MaxHops:  int(math.Ceil(depth+0.4)) + 1,
		Payloads: 1 / (1 - q),
		Haves:    1 + told + again,
		Missed:   depth * math.Pow(q, 1+checks) * math.Exp(-tells*(1-q)),
	}
	e.Bytes = e.Payloads*float64(deltaBytes+s.Body) + (1+told)*haveBytes + (again+wants)*checkBytes
	return e
}

const (
	scaleWithin  = 0.2 // of hops, payloads and bytes
	missedFactor = 2
	missedHeavy  = 8 // the same where more than a tenth gets lost: parts fail together
	heavyLoss    = 0.10
	quietRate    = 50 // writes per second up to which every write travels alone
)

// Check says in what the result is not as the formulas want it. They are of
// single updates: while many share packets only hops and what is missed count.
func (r *ScaleResult) Check() (breaches []string) {
	e := r.Scale.Expect()
	off := func(what string, got, want float64) {
		if math.Abs(got-want) > scaleWithin*want {
			breaches = append(breaches, fmt.Sprintf("%s: %.3g, the formula says %.3g", what, got, want))
		}
	}
	off("hops on average", r.MeanHops, e.MeanHops)
	if r.Straight > e.MaxHops {
		breaches = append(breaches, fmt.Sprintf("%d hops, the formula says at most %d", r.Straight, e.MaxHops))
	}
	if r.Scale.Rate <= quietRate {
		off("payloads per member", r.Payloads, e.Payloads)
		off("bytes per update and node", r.Bytes, e.Bytes)
	}
	if most := r.mostMissed(e); r.Missed > most {
		breaches = append(breaches, fmt.Sprintf("packets missed %d (member, update), the formula allows %d", r.Missed, most))
	}
	return breaches
}

// mostMissed is how many (member, update) may have been missed: what the formula
// says, times its factor, and what chance adds to that in one of 1,000 runs.
func (r *ScaleResult) mostMissed(e Expected) int {
	factor := float64(missedFactor)
	if r.Scale.Loss > heavyLoss {
		factor = missedHeavy
	}
	mean := factor * e.Missed * float64(r.Alone) * float64(r.Live-1)
	most, p := 0, math.Exp(-mean)
	for sum := p; sum < 0.999 && most < 1_000_000; sum += p {
		most++
		p *= mean / float64(most)
		if p == 0 && float64(most) < mean { // too large for this sum: its normal approximation
			return int(mean + 3.1*math.Sqrt(mean))
		}
	}
	return most
}
