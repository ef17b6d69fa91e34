package bench

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"time"
)

// An Instance is one row of a registry: what a hash ring keeps of each of its
// members. Seen changes with each heartbeat, the rest hardly ever.
type Instance struct {
	Seen   int64
	Addr   string
	Zone   string
	Tokens []uint32 // sorted
}

// InstanceID names the i-th instance.
func InstanceID(i int) string { return fmt.Sprintf("ingester-zone-%c-%d", 'a'+i%3, i) }

// MakeInstance makes the i-th instance, as it was seen at the tick.
func MakeInstance(i, tokens int, tick int64) Instance {
	rng := rand.New(rand.NewPCG(1, uint64(i)))
	in := Instance{
		Seen: SeenAt(tick), Addr: fmt.Sprintf("10.%d.%d.%d:9095", i>>16&255, i>>8&255, i&255),
		Zone: fmt.Sprintf("zone-%c", 'a'+i%3), Tokens: make([]uint32, tokens),
	}
	for k := range in.Tokens {
		// The low 13 bits are the instance: no two instances share a token.
		in.Tokens[k] = rng.Uint32()&^0x1fff | uint32(i)&0x1fff
	}
	slices.Sort(in.Tokens)
	in.Tokens = slices.Compact(in.Tokens)
	return in
}

// SeenAt is the timestamp, in seconds, of a heartbeat.
func SeenAt(tick int64) int64 { return 1_700_000_000 + tick }

// A Registry is a running node that holds one table of instances under one key.
type Registry interface {
	Addr() string
	Members() int
	Traffic() Traffic
	// Fill stores a table of n instances, each as of tick 1.
	Fill(n, tokens int) error
	// Len is how many instances the table has.
	Len() int
	// Row gets the table and reads one instance of it.
	Row(i int) (Instance, bool)
	// Heartbeat writes the tick of one instance by CAS.
	Heartbeat(i int, tick int64) error
	// Watch tells of each change with the table in hand: seen reads one instance of
	// it. It blocks until ctx ends.
	Watch(ctx context.Context, f func(seen func(i int) int64))
	// WatchOther watches a key that does not change, until ctx ends.
	WatchOther(ctx context.Context, key string)
	Close() error
}

// A Beat is a heartbeat of an instance.
type Beat struct {
	Instance int
	Tick     int64
}

// A Receiver is what a node does with the gossip of a peer, without a network: it
// parses and merges into a table that it holds.
type Receiver interface {
	// Packets returns one delivery per packet, which carries so many heartbeats.
	Packets(beats []Beat, per int) []func()
	// Settle returns when all that was delivered is applied, or lost.
	Settle()
	Row(i int) (Instance, bool)
	Close() error
}

// The registry that most topics are about, and its key.
const (
	tableRows   = 5000
	tableTokens = 512
	RegistryKey = "collectors/ring"
)

// rows reads one instance of a table.
type rows interface{ Row(i int) (Instance, bool) }

// registered notes what the tables hold, and fails if they differ.
func (r *Report) registered(n int, tables ...rows) error {
	for i, t := range tables {
		h := sha256.New()
		for k := range n {
			in, ok := t.Row(k)
			if !ok {
				return fmt.Errorf("replica %d has no instance %d", i, k)
			}
			fmt.Fprintf(h, "%d %s %s %d ", in.Seen, in.Addr, in.Zone, len(in.Tokens))
			for _, tok := range in.Tokens {
				h.Write(binary.BigEndian.AppendUint32(nil, tok))
			}
		}
		state := fmt.Sprintf("%d instances %s", n, hex.EncodeToString(h.Sum(nil)[:8]))
		if i == 0 && r.State == "" {
			r.State = state
		}
		if state != r.State {
			return fmt.Errorf("replica %d holds %s, others %s", i, state, r.State)
		}
	}
	return nil
}

// filled starts a lone node with a table.
func filled(s System, n, tokens int) (Registry, error) {
	reg, err := s.StartRegistry("node-0", "")
	if err != nil {
		return nil, err
	}
	if err := reg.Fill(n, tokens); err != nil {
		_ = reg.Close()
		return nil, err
	}
	if got := reg.Len(); got != n {
		_ = reg.Close()
		return nil, fmt.Errorf("%d instances after filling in %d", got, n)
	}
	return reg, nil
}

// registry is what the owner of a table does on his own node.
func registry(s System, r *Report) error {
	reg, err := filled(s, tableRows, tableTokens)
	if err != nil {
		return err
	}
	defer func() { _ = reg.Close() }()
	i, wrong := 0, 0
	took, allocated := perCall(func() {
		i++
		if in, ok := reg.Row(i * 997 % tableRows); !ok || in.Seen != SeenAt(1) {
			wrong++
		}
	})
	if wrong > 0 {
		return errWrong
	}
	r.add("registry of 5,000 x 512 tokens: Get, and one instance of it", Nanoseconds, took)
	r.add("registry, Get: allocated", Bytes, allocated)
	tick, failed := int64(1), error(nil)
	beat := func() {
		tick++
		if err := reg.Heartbeat(7, tick); err != nil {
			failed = err
		}
	}
	took, allocated = perCall(beat)
	r.add("registry, heartbeat by CAS", Nanoseconds, took)
	r.add("registry, heartbeat by CAS: allocated", Bytes, allocated)
	for _, watchers := range []int{1, 10} {
		took, err := told(reg, watchers, &tick)
		if err != nil {
			return err
		}
		r.add(fmt.Sprintf("registry, from the CAS to %d watchers with the value in hand", watchers), Nanoseconds, took)
	}
	const idle = 10_000
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for i := range idle {
		go reg.WatchOther(ctx, fmt.Sprintf("elsewhere/%d", i))
	}
	time.Sleep(time.Second) // they register
	took, _ = perCall(beat)
	r.add("registry, heartbeat by CAS beside 10,000 idle watchers", Nanoseconds, took)
	if failed != nil {
		return failed
	}
	// The last write is the same in every store, however many there were.
	if err := reg.Heartbeat(7, 1<<28); err != nil {
		return err
	}
	return r.registered(tableRows, reg)
}

// told is the median of the time from a CAS to the last watcher's having it.
func told(reg Registry, watchers int, tick *int64) (float64, error) {
	const rounds = 101
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	seen := make([]chan int64, watchers)
	for i := range seen {
		seen[i] = make(chan int64, 16)
		go reg.Watch(ctx, func(at func(int) int64) {
			select {
			case seen[i] <- at(7):
			case <-ctx.Done():
			}
		})
	}
	// Not every store tells a new watcher the present value: write until all watch.
	for i := 0; i < len(seen); {
		*tick++
		if err := reg.Heartbeat(7, *tick); err != nil {
			return 0, err
		}
		select {
		case <-seen[i]:
			i++
		case <-time.After(50 * time.Millisecond):
		}
	}
	took := make([]time.Duration, 0, rounds)
	for range rounds {
		*tick++
		from := time.Now()
		if err := reg.Heartbeat(7, *tick); err != nil {
			return 0, err
		}
		for _, c := range seen {
			for <-c < SeenAt(*tick) {
			}
		}
		took = append(took, time.Since(from))
	}
	return quantile(took, .5), nil
}

// receive is what a node does with heartbeats of its peers.
func receive(s System, r *Report) error {
	rec, err := s.Receiver(tableRows, tableTokens)
	if err != nil {
		return err
	}
	defer func() { _ = rec.Close() }()
	tick := int64(1)
	next := func(n int) []Beat {
		tick++
		beats := make([]Beat, n)
		for i := range beats {
			beats[i] = Beat{Instance: i, Tick: tick}
		}
		return beats
	}
	one := func(n int) []Beat {
		beats := make([]Beat, n)
		for i := range beats {
			tick++
			beats[i] = Beat{Instance: 7, Tick: tick}
		}
		return beats
	}
	r.add("heartbeat from a peer, always the same, through parse and merge: processor time", Nanoseconds, perBeat(rec, one, 1))
	r.add("heartbeat from a peer, each another: processor time", Nanoseconds, perBeat(rec, next, 1))
	r.add("heartbeat from a peer, 20 in a packet: processor time", Nanoseconds, perBeat(rec, next, 20))
	const flood = 4000
	beats := next(flood)
	for _, deliver := range rec.Packets(beats, 1) {
		deliver()
	}
	rec.Settle()
	lost := 0
	for _, b := range beats {
		if in, _ := rec.Row(b.Instance); in.Seen < SeenAt(b.Tick) {
			lost++
		}
	}
	r.add("heartbeats lost of 4,000 received at once", Count, float64(lost))
	tick = 1 << 28
	paced(rec, next(tableRows), 1)
	return r.registered(tableRows, rec)
}

// inFlight is how many heartbeats are under way at most, so that none is lost.
const inFlight = 256

func paced(rec Receiver, beats []Beat, per int) {
	for some := range slices.Chunk(beats, inFlight/per*per) {
		for _, deliver := range rec.Packets(some, per) {
			deliver()
		}
		rec.Settle()
	}
}

// perBeat is the processor time of one heartbeat, without that of making packets.
func perBeat(rec Receiver, make func(n int) []Beat, per int) float64 {
	const rounds, each = 10, 200
	used, n := time.Duration(0), 0
	for range rounds {
		beats := make(each)
		packets := rec.Packets(beats, per)
		runtime.GC() // garbage of the preparation is not the merge's
		from := cpu()
		for _, deliver := range packets {
			deliver()
		}
		rec.Settle()
		used, n = used+cpu()-from, n+len(beats)
	}
	return float64(used) / float64(n)
}
