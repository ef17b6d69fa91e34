package sim

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// ScaleResult is what a Scale has shown. Counts "per update" are those of the
// measured time over its updates, "per node" those over the members that live.
type ScaleResult struct {
	Scale   Scale
	Live    int // members that are there
	Updates int

	Alone    int     // updates that had to do without sessions
	Complete int     // of them reached all
	Missed   int     // (member, update) of them that did not come
	Half     Spread  // of the times until half of the members had an update,
	Most     Spread  // 99 % of them,
	All      Spread  // and all
	Curve    []Point // share of (member, update) reached by a time, sessions included
	Depth    int     // most hops that a cell took
	Straight int     // the same of those updates that no member has asked for
	MeanHops float64

	Payloads float64 // cells pushed per update and member that had to get it
	Haves    float64 // HAVE per update and node
	Wants    float64
	Bytes    float64 // of DELTA, HAVE and WANT per update and node

	PacketsPerSec float64       // per node, all
	BytesPerSec   float64       // per node, sessions included
	CPU           float64       // share of a core per node; 0 if it was not measured
	Wall          time.Duration // processor time of the measurement
}

// Spread is a median, a 90th and a 99th percentile.
type Spread struct{ P50, P90, P99 time.Duration }

// Point is one point of a curve.
type Point struct {
	At    time.Duration
	Share float64
}

// curvePoints is how many points a Curve has.
const curvePoints = 120

// result sums up. Nothing must run any more.
func (t *tally) result() *ScaleResult {
	by := t.close()
	r := &ScaleResult{Scale: t.plan, Live: len(t.live), Wall: t.cpu}
	if r.Updates = len(by[measured]); r.Updates == 0 {
		return r
	}
	r.times(by[measured])
	r.miss(by)
	t.costs(r)
	return r
}

// times tells when the updates were where.
func (r *ScaleResult) times(all []*update) {
	var half, most, whole, each []time.Duration
	hops, arrivals := 0, 0
	for _, u := range all {
		half = append(half, u.when(r.Live, 0.5))
		most = append(most, u.when(r.Live, 0.99))
		whole = append(whole, u.when(r.Live, 1))
		each = append(each, u.late...)
		for _, d := range u.depth {
			if d > 0 {
				hops, arrivals = hops+int(d), arrivals+1
				r.Depth = max(r.Depth, int(d))
				if !u.asked {
					r.Straight = max(r.Straight, int(d))
				}
			}
		}
	}
	r.MeanHops = float64(hops) / float64(max(arrivals, 1))
	r.Half, r.Most, r.All = spreadOf(half), spreadOf(most), spreadOf(whole)
	r.Curve = curveOf(each, r.Live*r.Updates)
}

// miss tells what packets alone did not do. Where nothing can get lost, no time
// was spent on that: sessions may have been faster with something, not more.
func (r *ScaleResult) miss(by map[phase][]*update) {
	all := by[unrepaired]
	if len(all) == 0 {
		all = by[measured]
	}
	r.Alone = len(all)
	for _, u := range all {
		r.Missed += u.missed
		if u.missed == 0 {
			r.Complete++
		}
	}
}

func (t *tally) costs(r *ScaleResult) {
	updates, live := float64(r.Updates), float64(r.Live)
	r.Payloads = float64(t.sent.payloads) / updates / (live - 1)
	r.Haves = float64(t.sent.haves) / updates / live
	r.Wants = float64(t.sent.wants) / updates / live
	r.Bytes = float64(t.sent.gossip) / updates / live
	r.PacketsPerSec = float64(t.sent.packets) / t.plan.For.Seconds() / live
	r.BytesPerSec = float64(t.sent.bytes+t.sent.streams) / t.plan.For.Seconds() / live
	r.CPU = t.cpu.Seconds() / t.plan.For.Seconds() / live
}

// when is the time until a share of n members had the update: that of a member
// which never got it is the time after which nobody waited any more.
func (u *update) when(n int, share float64) time.Duration {
	i := int(math.Ceil(float64(n)*share)) - 1
	if i >= len(u.late) {
		return scaleRepair
	}
	return u.late[i]
}

func spreadOf(d []time.Duration) Spread {
	slices.Sort(d)
	at := func(q float64) time.Duration { return d[int(q*float64(len(d)-1)+0.5)] }
	return Spread{at(0.5), at(0.9), at(0.99)}
}

// curveOf is the share of n arrivals that had happened by a time, at times that
// grow evenly on a logarithmic scale.
func curveOf(late []time.Duration, n int) []Point {
	slices.Sort(late)
	const from, to = float64(time.Millisecond) / 2, float64(scaleRepair)
	points := make([]Point, curvePoints)
	for i := range points {
		at := time.Duration(from * math.Pow(to/from, float64(i)/(curvePoints-1)))
		came, _ := slices.BinarySearch(late, at+1)
		points[i] = Point{at, float64(came) / float64(n)}
	}
	return points
}

// String is a report of a few lines for a person.
func (r *ScaleResult) String() string {
	e := r.Scale.Expect()
	ms := func(d time.Duration) string { return fmt.Sprintf("%.1f ms", d.Seconds()*1000) }
	return fmt.Sprintf(`%d nodes, %.0f%% loss, %.0f%% of the view dead, %g writes/s, %d updates
  reached half %s, 99%% %s, all %s (median); all %s (p90), %s (p99)
  complete without a session: %d of %d updates; missed per node and update: %.2g (formula: %.2g)
  payloads per member to reach: %.3f (%.3f); hops: %.2f (%.2f) on average, at most %d, %d where nobody asked
  per node and update: %.2f HAVE (%.2f), %.3f WANT, %.0f bytes of gossip (%.0f)
  per node: %.1f packets/s, %.2f KB/s, %.3f%% of a core with its share of the simulator
`, r.Scale.Nodes, r.Scale.Loss*100, r.Scale.Dead*100, r.Scale.Rate, r.Updates,
		ms(r.Half.P50), ms(r.Most.P50), ms(r.All.P50), ms(r.All.P90), ms(r.All.P99),
		r.Complete, r.Alone, r.MissedPerNode(), e.Missed, r.Payloads, e.Payloads, r.MeanHops, e.MeanHops, r.Depth, r.Straight,
		r.Haves, e.Haves, r.Wants, r.Bytes, e.Bytes, r.PacketsPerSec, r.BytesPerSec/1000, r.CPU*100)
}

// MissedPerNode is the share of (member, update) that packets alone missed.
func (r *ScaleResult) MissedPerNode() float64 {
	return float64(r.Missed) / float64(max(r.Alone*(r.Live-1), 1))
}
