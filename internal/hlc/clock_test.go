package hlc

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"
)

const (
	epoch   = int64(1_700_000_000_000)
	maxSkew = 10 * time.Second
	hour    = int64(3_600_000)
)

// machine drives a Clock: the two clocks of a computer, in milliseconds.
type machine struct {
	*Clock
	wall, mono int64
}

func start() *machine {
	m := &machine{Clock: New(maxSkew), wall: epoch}
	m.pass(0)
	return m
}

// pass lets time go by.
func (m *machine) pass(ms int64) {
	m.mono += ms
	m.step(ms)
}

// step sets the wall by so much.
func (m *machine) step(ms int64) {
	m.wall += ms
	m.Observe(Reading{Wall: m.wall, Mono: time.Duration(m.mono) * time.Millisecond})
}

func (m *machine) wantWritable(t *testing.T, livePeers int) {
	t.Helper()
	if err := m.Writable(livePeers); err != nil {
		t.Errorf("Writable(%d): got %q, want nil", livePeers, err)
	}
}

func (m *machine) wantSkew(t *testing.T, livePeers int, text string) {
	t.Helper()
	err := m.Writable(livePeers)
	if !errors.Is(err, ErrSkew) {
		t.Errorf("Writable(%d): got %v, want ErrSkew", livePeers, err)
		return
	}
	if !strings.Contains(err.Error(), text) {
		t.Errorf("Writable(%d): %q does not say %q", livePeers, err, text)
	}
}

func TestNextIsAboveAll(t *testing.T) {
	m := start()
	if got, want := m.Next(), Make(epoch, 0); got != want {
		t.Errorf("first version: got %v, want %v", got, want)
	}
	if got, want := m.Next(), Make(epoch, 1); got != want {
		t.Errorf("in the same millisecond: got %v, want %v", got, want)
	}
	m.Receive(Make(epoch+50, 4))
	if got, want := m.Next(), Make(epoch+50, 5); got != want {
		t.Errorf("after a receipt: got %v, want %v", got, want)
	}
	if got, want := m.Next(Make(epoch+60, 9), Make(epoch+55, 0)), Make(epoch+60, 10); got != want {
		t.Errorf("above what it replaces: got %v, want %v", got, want)
	}
	m.pass(100)
	if got, want := m.Next(Make(epoch+60, 0)), Make(epoch+100, 0); got != want {
		t.Errorf("a time that has come: got %v, want %v", got, want)
	}
}

func TestFullCounterCarriesIntoTheMilliseconds(t *testing.T) {
	m := start()
	m.Receive(Make(epoch, math.MaxUint16))
	if got, want := m.Next(), Make(epoch+1, 0); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestNowDoesNotConsume(t *testing.T) {
	m := start()
	for range 2 {
		if got, want := m.Now(), Make(epoch, 0); got != want {
			t.Errorf("Now: got %v, want %v", got, want)
		}
	}
	last := m.Next(Make(epoch+5, 0))
	if m.Now() != last {
		t.Errorf("Now: got %v, below %v which was issued", m.Now(), last)
	}
}

func TestTooFar(t *testing.T) {
	m := start()
	if m.TooFar(Make(epoch+10_000, math.MaxUint16)) {
		t.Error("exactly MaxSkew ahead was refused")
	}
	if !m.TooFar(Make(epoch+10_001, 0)) {
		t.Error("one millisecond more was not refused")
	}
	m.pass(1)
	if m.TooFar(Make(epoch+10_001, 0)) {
		t.Error("still refused when time had caught up")
	}
}

func TestBackwardStepIsHeld(t *testing.T) {
	m := start()
	m.step(-4000)
	if m.Physical() != epoch {
		t.Errorf("Physical: got %d, want it held at %d", m.Physical(), epoch)
	}
	m.wantWritable(t, 0)
	m.pass(3999)
	if m.Physical() != epoch {
		t.Errorf("Physical: got %d, want it still held at %d", m.Physical(), epoch)
	}
	m.pass(2)
	if m.Physical() != epoch+1 {
		t.Errorf("Physical: got %d, want the wall again, %d", m.Physical(), epoch+1)
	}
}

func TestLongHoldStopsWrites(t *testing.T) {
	m := start()
	m.step(-10_001)
	m.wantSkew(t, 3, "behind")
	m.pass(1)
	m.wantWritable(t, 3)
}

func TestHoldCountsWhatWasReceived(t *testing.T) {
	m := start()
	m.Receive(Make(epoch+9000, 0))
	m.wantWritable(t, 0)
	m.Receive(Make(epoch+10_000, math.MaxUint16)) // the next carries
	m.wantSkew(t, 0, "behind")

	m = start()
	m.Receive(Make(epoch+9000, 0))
	m.step(-2000) // the next version would be 11 s ahead of the wall
	m.wantSkew(t, 0, "behind")
	m.pass(1001)
	m.wantWritable(t, 0)
}

func TestForwardLeapWaitsForAPeer(t *testing.T) {
	m := start()
	m.step(hour)
	if m.Physical() != epoch+hour {
		t.Errorf("Physical: got %d, want the step taken at once", m.Physical())
	}
	m.wantSkew(t, 2, "leaped")
	m.pass(60_000)
	m.wantSkew(t, 2, "leaped")
	m.Peer(1, Make(epoch+60_000, 0))
	m.wantSkew(t, 2, "leaped")
	m.Peer(2, Make(m.wall+9_000, 0))
	m.wantWritable(t, 3) // two of three peers are no quorum for the median
}

func TestOnlyAPeerOfAboutOurTimeConfirms(t *testing.T) {
	m := start()
	m.step(hour)
	m.Peer(1, Make(m.wall+10_001, 0))
	m.Peer(2, Make(m.wall-10_001, 0))
	m.wantSkew(t, 9, "leaped")
	m.Peer(3, Make(m.wall-10_000, 0))
	m.wantWritable(t, 9)
}

// A clock that was behind all others and is set right needs one peer to say so,
// not the time until all have been heard anew.
func TestLeapThatSetsTheClockRight(t *testing.T) {
	m := start()
	for id := range uint64(5) {
		m.Peer(id, Make(m.wall+hour, 0))
	}
	m.wantSkew(t, 5, "median")
	m.step(hour)
	m.Peer(0, Make(m.wall, 0))
	m.wantWritable(t, 5)
}

func TestForwardLeapAloneWaitsFiveSeconds(t *testing.T) {
	m := start()
	m.step(hour)
	m.pass(4_999)
	m.wantSkew(t, 0, "leaped")
	m.pass(1)
	m.wantWritable(t, 0)
	m.wantSkew(t, 1, "leaped")
	m.step(hour) // another one is another wait
	m.wantSkew(t, 0, "leaped")
	m.pass(5_000)
	m.wantWritable(t, 0)
}

func TestSmallForwardStepsAddUp(t *testing.T) {
	m := start()
	m.step(6_000)
	m.wantWritable(t, 1)
	m.step(6_000)
	m.wantSkew(t, 1, "leaped")

	m = start()
	m.step(6_000)
	m.Peer(1, Make(m.wall, 0)) // a peer vouches in between
	m.step(6_000)
	m.wantWritable(t, 2)
}

func TestTimePassingIsNoLeap(t *testing.T) {
	m := start()
	for range 100 {
		m.pass(hour)
		m.wantWritable(t, 5)
	}
}

func TestLeapAfterALongHold(t *testing.T) {
	m := start()
	m.step(-hour)
	m.pass(hour + 1000) // caught up: the wall is what it is now
	m.wantWritable(t, 1)
	m.step(hour)
	m.wantSkew(t, 1, "leaped")
}

func TestRestore(t *testing.T) {
	c := New(maxSkew)
	c.Restore(Make(epoch+3000, 5))
	m := &machine{Clock: c, wall: epoch}
	m.pass(0)
	if m.Physical() != epoch+3000 {
		t.Errorf("Physical: got %d, want the stored %d", m.Physical(), epoch+3000)
	}
	if got, want := m.Next(), Make(epoch+3000, 6); got != want {
		t.Errorf("Next: got %v, want %v", got, want)
	}
	m.wantWritable(t, 1)

	m = start()
	m.Restore(Make(epoch+hour, 0))
	m.wantSkew(t, 0, "behind")
	m.Restore(Make(epoch, 0))
	if m.Physical() != epoch+hour {
		t.Error("an older stored time set the clock back")
	}
}

func TestMedianOfPeersStopsWrites(t *testing.T) {
	m := start()
	for id := range uint64(4) {
		m.Peer(id, Make(m.wall+11_000, 0))
	}
	m.wantWritable(t, 9) // four of nine are not enough
	m.wantSkew(t, 4, "median")
	m.Peer(4, Make(m.wall, 0))
	m.wantSkew(t, 9, "median")
	m.wantWritable(t, 0) // nobody to be at odds with
	for id := range uint64(3) {
		m.Peer(id, Make(m.wall+4_000, 0))
	}
	m.wantWritable(t, 9)
}

func TestOffset(t *testing.T) {
	m := start()
	if got := m.Offset(); got != (Offset{}) {
		t.Errorf("no peers: got %+v, want zero", got)
	}
	for id, ms := range []int64{-2_000, 6_000, 5_200} {
		m.Peer(uint64(id), Make(m.wall+ms, 0))
	}
	if got, want := m.Offset(), (Offset{Median: 5_200, Peers: 3, Warn: true}); got != want {
		t.Errorf("three peers: got %+v, want %+v", got, want)
	}
	m.Peer(3, Make(m.wall, 0))
	if got, want := m.Offset(), (Offset{Median: 2_600, Peers: 4}); got != want {
		t.Errorf("four peers: got %+v, want %+v", got, want)
	}
	m.pass(sampleAge.Milliseconds() - 1)
	m.Peer(0, Make(m.wall, 0))
	m.pass(1)
	if got, want := m.Offset(), (Offset{Peers: 1}); got != want {
		t.Errorf("after their age: got %+v, want %+v", got, want)
	}
}

// A fast writer drags the Now of all nodes along. That is no offset between
// them.
func TestOneFastWriterIsNoOffset(t *testing.T) {
	m := start()
	fast := Make(epoch+10_000, 0)
	m.Receive(fast)
	for id := range uint64(6) {
		m.Peer(id, fast.Next())
	}
	if got := m.Offset(); got.Warn || got.Median != 0 {
		t.Errorf("got %+v, want no offset", got)
	}
}

func TestPeersAreBounded(t *testing.T) {
	m := start()
	for id := range uint64(1000) {
		m.pass(1)
		m.Peer(id, Make(m.wall+int64(id), 0))
	}
	if got := len(m.peers.samples); got != sampleCount {
		t.Errorf("got %d samples, want %d", got, sampleCount)
	}
	if got := m.Offset().Median; got < 1000-sampleCount {
		t.Errorf("median %d: the oldest were not the ones to go", got)
	}
}
