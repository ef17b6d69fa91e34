package sim

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/engine"
)

// Scale is a measurement of a large cluster: members that write in turn, each
// to a cell of its own, as heartbeats do, while packets get lost and a part of
// the members is gone without anybody having noticed. All members have one view.
type Scale struct {
	Nodes int
	Loss  float64       // of packets
	Dead  float64       // share of the members in the view that are not there
	Rate  float64       // writes per second, of the whole cluster
	Warm  time.Duration // written before anything is measured
	For   time.Duration // measured; and once more with no stream that holds, if there are faults
	Body  int           // bytes of a value
	Seed  uint64

	// CPU tells the processor time that this process has used; nil is allowed.
	CPU func() time.Duration
}

const (
	scaleSettle = 5 * time.Second  // from the start until everybody had a session
	scaleRepair = 10 * time.Second // after the last write: what is still missing is counted
	scaleName   = "scale"          // of the cluster
)

// Validate says what is wrong with a measurement.
func (s Scale) Validate() error {
	switch {
	case s.Nodes < 2 || s.Nodes > 100_000:
		return fmt.Errorf("%d nodes: use 2 to 100000", s.Nodes)
	case !(s.Loss >= 0 && s.Loss <= 0.9):
		return fmt.Errorf("loss %v: use 0 to 0.9", s.Loss)
	case !(s.Dead >= 0 && s.Dead <= 0.5):
		return fmt.Errorf("dead share %v: use 0 to 0.5", s.Dead)
	case !(s.Rate > 0 && s.Rate <= 100_000):
		return fmt.Errorf("%v writes per second: use more than 0, up to 100000", s.Rate)
	case s.For <= 0 || s.Warm < 0:
		return fmt.Errorf("%v after %v: the measured time must be more than 0", s.For, s.Warm)
	case s.Body < 1 || s.Body > 1000:
		return fmt.Errorf("values of %d bytes: use 1 to 1000", s.Body)
	}
	return nil
}

// scaleStage is one Scale being played.
type scaleStage struct {
	*World
	plan  Scale
	live  []*Node
	tally *tally
	turn  int           // of the member that writes next
	until time.Duration // when writing ends for now
}

// Run plays it. The Scale must be valid.
func (s Scale) Run() *ScaleResult {
	st := &scaleStage{World: NewWorld(engine.Config{Cluster: scaleName}, s.Seed), plan: s}
	st.trace = nil
	st.Links.Latency, st.Links.Jitter = 500*time.Microsecond, time.Millisecond
	st.Links.Loss = s.Loss
	st.populate()
	st.tally = newTally(st)
	st.Observe = st.tally
	st.RunUntil(scaleSettle)
	st.write(s.Warm, unmeasured)
	st.write(s.For, measured)
	if s.Loss+s.Dead > 0 {
		st.Links.CutStream = 1
		st.write(s.For, unrepaired)
	}
	return st.tally.result()
}

// write lets the members write for a time, and waits until what can be mended
// is mended.
func (s *scaleStage) write(d time.Duration, p phase) {
	s.tally.phase = p
	s.until = s.now + d
	s.tally.begin()
	s.beat()
	s.RunUntil(s.until)
	s.tally.end()
	s.Advance(scaleRepair)
}

// populate starts the members that live. Those that are gone are in the view of
// all others: spread over the ring, because its order is by hash.
func (s *scaleStage) populate() {
	gone := int(s.plan.Dead*float64(s.plan.Nodes) + 0.5)
	peers := make([]engine.Peer, s.plan.Nodes)
	for i := range peers {
		peers[i] = engine.Peer{Name: fmt.Sprintf("member-%05d", i), Origin: cell.Origin(s.rnd.Uint64() | 1)}
	}
	s.view = engine.NewView(peers)
	for _, p := range peers[:s.plan.Nodes-gone] {
		s.live = append(s.live, s.AddNode(p.Name))
	}
	for i, n := range s.live {
		// Clocks of real members differ, and so do the times of their start.
		n.Skew = time.Duration(s.rnd.Int64N(int64(20 * time.Millisecond)))
		s.After(time.Duration(s.rnd.Int64N(int64(time.Second))), func() { n.Start(nil, peers[i].Origin) })
	}
}

// beat lets the next member in turn write, and plans the one after it.
func (s *scaleStage) beat() {
	if s.now >= s.until {
		return
	}
	n := s.live[s.turn%len(s.live)]
	s.turn++
	addr := cell.At("heartbeat/"+n.Name, "r")
	s.tally.writing(n, addr)
	_, err := n.Commit(engine.Tx{Writes: []engine.Write{{Addr: addr, Codec: "bytes", Body: randomBody(s.rnd, s.plan.Body)}}})
	if err != nil {
		panic("sim: a member that is alone in its place could not write: " + err.Error())
	}
	every := time.Duration(float64(time.Second) / s.plan.Rate)
	s.After(every/2+time.Duration(s.rnd.Int64N(int64(every)+1)), s.beat)
}

func randomBody(rnd *rand.Rand, size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(rnd.Uint32())
	}
	return b
}
