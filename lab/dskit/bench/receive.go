package bench

import (
	"slices"
	"time"
)

// receive is what a node does with heartbeats of its peers.
func receive(s System, r *Report) error {
	rec, err := s.Receiver(tableRows, tableTokens)
	if err != nil {
		return err
	}
	defer func() { _ = rec.Close() }()
	p := &peer{rec: rec, rows: tableRows, rounds: 10, each: 200, tick: 1}
	set := setLimit(tableRows)
	r.add("heartbeat from a peer, always the same, through parse and merge: processor time", Nanoseconds, p.perBeat(p.same, 1)).Limit = set
	r.add("heartbeat from a peer, each another: processor time", Nanoseconds, p.perBeat(p.others, 1)).Limit = set
	r.add("heartbeat from a peer, 20 in a packet: processor time", Nanoseconds, p.perBeat(p.others, 20)).Limit = set
	r.add("heartbeat from a peer, 20 from all over the table in a packet: processor time", Nanoseconds, p.perBeat(p.strewn, 20)).Limit = set
	ids := InstanceIDs(tableRows)
	r.add("heartbeats lost of 4,000 received at once", Count, float64(p.flood(ids)))
	p.tick = 1 << 28
	p.paced(p.others(tableRows), 1)
	return r.registered(ids, rec)
}

// peer is the member whose heartbeats a receiver gets.
type peer struct {
	rec    Receiver
	rows   int // no multiple of 997
	rounds int
	each   int // how many heartbeats are measured at once: not every store takes more than inFlight
	tick   int64
}

// others are heartbeats of the first n instances.
func (p *peer) others(n int) []Beat { return p.every(1, n) }

// strewn are heartbeats of n instances from all over the table.
func (p *peer) strewn(n int) []Beat { return p.every(997, n) }

func (p *peer) every(stride, n int) []Beat {
	p.tick++
	beats := make([]Beat, n)
	for i := range beats {
		beats[i] = Beat{Instance: i * stride % p.rows, Tick: p.tick}
	}
	return beats
}

// same are heartbeats of one instance.
func (p *peer) same(n int) []Beat {
	beats := make([]Beat, n)
	for i := range beats {
		p.tick++
		beats[i] = Beat{Instance: own, Tick: p.tick}
	}
	return beats
}

// flood hands over 4,000 heartbeats without waiting, and returns how many of them
// never had an effect.
func (p *peer) flood(ids []string) (lost int) {
	beats := p.others(4000)
	for _, deliver := range p.rec.Packets(beats, 1) {
		deliver()
	}
	p.rec.Settle()
	table := p.rec.Open()
	for _, b := range beats {
		if in, _ := table.Get(ids[b.Instance]); in.Seen < SeenAt(b.Tick) {
			lost++
		}
	}
	return lost
}

// inFlight is how many heartbeats are under way at most, so that none is lost.
const inFlight = 256

func (p *peer) paced(beats []Beat, per int) {
	for some := range slices.Chunk(beats, inFlight/per*per) {
		for _, deliver := range p.rec.Packets(some, per) {
			deliver()
		}
		p.rec.Settle()
	}
}

// perBeat is the processor time of one heartbeat, without that of making packets.
func (p *peer) perBeat(make func(n int) []Beat, per int) float64 {
	used, n := time.Duration(0), 0
	for range p.rounds {
		beats := make(p.each)
		packets := p.rec.Packets(beats, per)
		rest() // garbage of the preparation is not the merge's
		from := cpu()
		for _, deliver := range packets {
			deliver()
		}
		p.rec.Settle()
		used, n = used+cpu()-from, n+len(beats)
	}
	return float64(used) / float64(n)
}
