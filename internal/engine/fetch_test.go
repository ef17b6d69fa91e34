package engine

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/wire"
)

func bigBody(seed uint64, size int) []byte {
	b := make([]byte, size)
	rnd := newRand(seed)
	for i := range b {
		b[i] = byte(rnd.Uint32())
	}
	return b
}

// large makes a foreign cell with a large body.
func (x *solo) large(o cell.Origin, n uint64, key string, body []byte) *cell.Cell {
	return x.foreign(o, n, key, string(body), 2*time.Second-time.Duration(n)*time.Millisecond)
}

func adOf(c *cell.Cell) wire.Ad {
	s := c.Spec()
	s.Body = nil
	return wire.Ad{Cell: cell.New(s), Len: uint64(len(c.Body)), Hash: sha256.Sum256(c.Body)}
}

func advertOf(s wire.Span, cells ...*cell.Cell) *wire.Advert {
	m := &wire.Advert{Span: s}
	for _, c := range cells {
		m.Ads = append(m.Ads, adOf(c))
	}
	return m
}

// serve feeds the bodies of cells back, as if the peer had answered the dial.
func (x *solo) serve(d Dial, cells ...*cell.Cell) {
	x.n.t.Helper()
	e := New(Config{Cluster: "test", Name: "server", Origin: d.To, Rand: newRand(1), Alone: true})
	e.begin(x.reading())
	for _, c := range cells {
		e.put(c.Keep())
	}
	e.end()
	for m := range ServeFetch(e.Root(), d.Fetch) {
		x.chunk(d.To, m)
	}
}

func (x *solo) chunk(from cell.Origin, m *wire.Body) {
	x.n.t.Helper()
	b, err := x.n.codec.Append(nil, wire.Frame{Header: wire.Header{Origin: from, Now: 1, Stream: true}, Msg: m})
	if err != nil {
		x.n.t.Fatalf("append: %v", err)
	}
	x.receive(b)
}

// dialed returns the dials since the last call.
func (x *solo) dialed() []Dial {
	out := x.dials
	x.dials = nil
	return out
}

func TestLargeBodyReachesAll(t *testing.T) {
	for seed := range uint64(5) {
		n := newPushNet(t, 32, seed, nil)
		c := n.nodes[0].put("big", bigBody(seed, 1_300_000))
		n.run(3 * time.Second)
		if miss := n.missing(c); miss > 0 {
			t.Fatalf("seed %d: %d of 32 nodes miss the body", seed, miss)
		}
		if n.packets[wire.TypeDelta] > 0 || n.cells != 31 || n.packets[wire.TypeFetch] != 31 {
			t.Errorf("seed %d: %d DELTA, %d ads, %d FETCH, want 0, 31, 31", seed, n.packets[wire.TypeDelta], n.cells, n.packets[wire.TypeFetch])
		}
		for _, x := range n.nodes {
			if p := x.e.Stats().Pending; p != 0 || len(x.e.push.fetches.dials) != 0 {
				t.Errorf("seed %d: %s still waits for %d", seed, x.name, p)
			}
		}
	}
}

func TestLargeBodiesSurviveLossAndDeath(t *testing.T) {
	full := 0
	const runs = 20
	for seed := range uint64(runs) {
		n := newPushNet(t, 24, seed, nil)
		n.loss = 0.05
		n.nodes[3].dead, n.nodes[9].dead = true, true
		c := n.nodes[0].put("big", bigBody(seed, 20_000))
		n.run(2 * time.Second)
		if n.missing(c) == 0 {
			full++
		}
	}
	if full < runs-1 {
		t.Errorf("%d of %d large bodies reached all", full, runs)
	}
}

// Until the body has come nothing of its cell is here, and then all of it.
func TestOldValueStaysUntilTheBodyCame(t *testing.T) {
	x := newSolo(t, 40, nil)
	x.recv(1, deltaOf(wire.Span{}, x.foreign(1, 1, "k", "old", time.Minute)))
	c := x.large(2, 1, "k", bigBody(1, 1_200_000))
	span := arc(0.3, 0.4)
	x.recv(2, advertOf(span, c))
	dials := x.dialed()
	if len(dials) != 1 || dials[0].To != 2 || !slices.Equal(dials[0].Fetch.Items, []wire.AddrVer{{Addr: c.Addr, Ver: c.Ver}}) {
		t.Fatalf("dials %+v", dials)
	}
	if s := x.get("k"); string(s.Body) != "old" || x.e.holds(c.Dot()) || x.e.Stats().Pending != 1 {
		t.Errorf("before the body: %q, dot known %v, pending %d", s.Body, x.e.holds(c.Dot()), x.e.Stats().Pending)
	}
	before := len(x.outbox)
	x.serve(dials[0], c)
	if s := x.get("k"); s.Hash() != c.Hash() || !x.e.holds(c.Dot()) || x.e.Stats().Pending != 0 {
		t.Error("the body came and its cell is not stored")
	}
	x.pass(quietWindow)
	got := hops(x.outbox[before:], c.Dot())
	if want := x.inSpan(span); !slices.Equal(x.covered(got), want) {
		t.Errorf("announced on to %v, want %v", x.covered(got), want)
	}
	if n := len(only[*wire.Advert](x.outbox[before:])); n != len(got) {
		t.Errorf("%d ADVERT for %d hops", n, len(got))
	}
	x.recv(3, advertOf(span, c))
	if len(x.dialed()) > 0 {
		t.Error("a body that is here was asked for")
	}
}

// When the advertiser is gone, whoever else announced the body is asked.
func TestAdvertiserDies(t *testing.T) {
	x := newSolo(t, 5, nil)
	c := x.large(9, 1, "k", bigBody(1, 10_000))
	x.recv(2, advertOf(wire.Span{}, c))
	x.recv(3, advertOf(wire.Span{}, c))
	first := x.dialed()
	if len(first) != 1 || first[0].To != 2 {
		t.Fatalf("dials %+v", first)
	}
	x.step(FetchFailed{To: 2, Fetch: first[0].Fetch})
	x.n.run(fetchRetry)
	second := x.dialed()
	if len(second) != 1 || second[0].To != 3 {
		t.Fatalf("dials after the first failed: %+v", second)
	}
	x.serve(second[0], c)
	x.step(FetchFailed{To: 3, Fetch: second[0].Fetch}) // the stream has ended
	if x.get("k") == nil || x.n.events["fetch"] != 1 || x.n.events["fetch_failed"] != 0 || x.dirtied(2)+x.dirtied(3) != 0 {
		t.Errorf("stored %v, events %v", x.get("k"), x.n.events)
	}
}

func TestHaveNamesAnotherSource(t *testing.T) {
	x := newSolo(t, 5, nil)
	c := x.large(9, 1, "k", bigBody(1, 10_000))
	x.recv(2, advertOf(wire.Span{}, c))
	if sent := only[*wire.Want](x.recv(4, &wire.Have{Runs: run1(9, 1)})); len(sent) != 0 {
		t.Error("a body that is on its way was asked for by WANT")
	}
	first := x.dialed()
	// The advertiser is seen to be dead before the second try.
	x.step(PeersChanged{View: NewView(soloPeers(5)[2:])})
	x.step(FetchFailed{To: 2, Fetch: first[0].Fetch})
	x.n.run(fetchRetry)
	if second := x.dialed(); len(second) != 1 || second[0].To != 4 {
		t.Errorf("dials %+v, want one to 4", second)
	}
}

func TestBodyIsGivenUpAfterThreeTries(t *testing.T) {
	for name, fail := range map[string]func(x *solo, d Dial, c *cell.Cell){
		"no stream":   func(x *solo, d Dial, _ *cell.Cell) { x.step(FetchFailed{To: d.To, Fetch: d.Fetch}) },
		"silence":     func(x *solo, _ Dial, _ *cell.Cell) { x.n.run(x.e.cfg.SessionIdle + time.Millisecond) },
		"not there":   func(x *solo, d Dial, _ *cell.Cell) { x.serve(d) },
		"other bytes": func(x *solo, d Dial, c *cell.Cell) { x.serveBytes(d, c, bigBody(2, len(c.Body))) },
		"too short":   func(x *solo, d Dial, c *cell.Cell) { x.serveBytes(d, c, c.Body[:len(c.Body)-1]) },
		"too long":    func(x *solo, d Dial, c *cell.Cell) { x.serveBytes(d, c, append(bytes.Clone(c.Body), 0)) },
		"a hole": func(x *solo, d Dial, c *cell.Cell) {
			x.chunk(d.To, &wire.Body{AddrVer: d.Fetch.Items[0], Total: uint64(len(c.Body)), Offset: 5, Bytes: c.Body[5:]})
		},
		"nothing in it": func(x *solo, d Dial, c *cell.Cell) {
			x.chunk(d.To, &wire.Body{AddrVer: d.Fetch.Items[0], Total: uint64(len(c.Body))})
		},
	} {
		t.Run(name, func(t *testing.T) {
			x := newSolo(t, 5, nil)
			c := x.large(9, 1, "k", bigBody(1, 10_000))
			x.recv(2, advertOf(wire.Span{}, c))
			tries := 0
			for range 6 {
				for _, d := range x.dialed() {
					tries++
					fail(x, d, c)
				}
				x.n.run(time.Second)
			}
			if tries != maxTries || x.n.events["fetch_failed"] != 1 || x.dirtied(2) != 1 || x.e.Stats().Pending != 0 || x.get("k") != nil {
				t.Errorf("%d tries, events %v, dirty %d, pending %d, stored %v", tries, x.n.events, x.dirtied(2), x.e.Stats().Pending, x.get("k"))
			}
		})
	}
}

func (x *solo) serveBytes(d Dial, c *cell.Cell, b []byte) {
	x.chunk(d.To, &wire.Body{AddrVer: wire.AddrVer{Addr: c.Addr, Ver: c.Ver}, Total: uint64(len(b)), Bytes: b})
}

// A newer body takes the place of an older one and serves its range too.
func TestNewerBodyTakesThePlace(t *testing.T) {
	x := newSolo(t, 40, nil)
	one, two := arc(0.1, 0.2), arc(0.6, 0.2)
	old, newer := x.large(8, 1, "k", bigBody(1, 10_000)), x.large(9, 2, "k", bigBody(2, 10_000))
	x.recv(2, advertOf(one, old))
	x.recv(3, advertOf(two, newer))
	x.recv(4, advertOf(one, old)) // too late
	dials := x.dialed()
	if len(dials) != 2 || dials[1].To != 3 || x.e.Stats().Pending != 1 || len(x.e.push.fetches.byDot) != 1 {
		t.Fatalf("dials %+v, pending %d", dials, x.e.Stats().Pending)
	}
	x.serve(dials[0], old)
	if x.get("k") != nil {
		t.Error("the overtaken body was stored")
	}
	before := len(x.outbox)
	x.serve(dials[1], newer)
	x.pass(quietWindow)
	if got, want := x.covered(hops(x.outbox[before:], newer.Dot())), x.inSpan(one, two); !slices.Equal(got, want) {
		t.Errorf("announced on to %v, want %v", got, want)
	}
}

func TestAdsAreJudgedBeforeTheFetch(t *testing.T) {
	x := newSolo(t, 5, nil)
	x.recv(1, deltaOf(wire.Span{}, x.foreign(1, 1, "k", "newest", 0)))
	body := bigBody(1, 10_000)
	stale := x.foreign(9, 2, "stale", string(body), 6*time.Minute)
	future := x.foreign(9, 3, "future", string(body), -time.Minute)
	x.recv(2, advertOf(wire.Span{}, x.large(9, 1, "k", body)))
	x.recv(3, advertOf(wire.Span{}, stale))
	x.recv(4, advertOf(wire.Span{}, future))
	if len(x.dialed()) > 0 || x.e.Stats().Pending > 0 {
		t.Errorf("what is older, stale or refused was asked for")
	}
	if x.dirtied(2) != 0 || x.dirtied(3) != 1 || x.dirtied(4) != 1 || x.n.events["refused_skew"] != 1 {
		t.Errorf("dirty %d %d %d, events %v", x.dirtied(2), x.dirtied(3), x.dirtied(4), x.n.events)
	}
}

func TestFetchesAreBounded(t *testing.T) {
	x := newSolo(t, 20, nil)
	body := bigBody(1, 9000)
	for i := range maxFetches + 10 {
		x.recv(cell.Origin(i%10+1), advertOf(wire.Span{}, x.large(99, uint64(i+1), fmt.Sprint("k", i), body)))
	}
	f := &x.e.push.fetches
	if len(f.byAddr) != maxFetches || len(f.byDot) != maxFetches || f.queue.len() > maxFetches || len(f.dials) != maxDials {
		t.Errorf("%d waited for, %d dots, %d queued, %d dials", len(f.byAddr), len(f.byDot), f.queue.len(), len(f.dials))
	}
	if x.n.events["fetch_failed"] != 10 {
		t.Errorf("%d were refused, want 10", x.n.events["fetch_failed"])
	}
	// All of them fail in the end, and nothing is left.
	for range 2000 {
		dials := x.dialed()
		for _, d := range dials {
			if len(d.Fetch.Items) > maxPerDial {
				t.Fatalf("%d bodies on one stream", len(d.Fetch.Items))
			}
			x.step(FetchFailed{To: d.To, Fetch: d.Fetch})
		}
		x.n.run(100 * time.Millisecond)
	}
	if len(f.byAddr)+len(f.byDot)+f.queue.len()+len(f.dials) != 0 {
		t.Errorf("left: %d waited for, %d dots, %d queued, %d dials", len(f.byAddr), len(f.byDot), f.queue.len(), len(f.dials))
	}
}

// One stream per source at a time brings many bodies.
func TestManyBodiesShareAStream(t *testing.T) {
	const bodies = maxPerDial + 30
	x := newSolo(t, 5, nil)
	var cells []*cell.Cell
	for i := range bodies {
		cells = append(cells, x.large(9, uint64(i+1), fmt.Sprint("k", i), bigBody(uint64(i), 9000+i)))
	}
	x.recv(2, advertOf(wire.Span{}, cells...))
	for _, items := range []int{maxPerDial, bodies - maxPerDial} {
		dials := x.dialed()
		if len(dials) != 1 || len(dials[0].Fetch.Items) != items {
			t.Fatalf("%d dials, want one for %d bodies", len(dials), items)
		}
		x.serve(dials[0], cells...)
	}
	for i := range bodies {
		if s := x.get(fmt.Sprint("k", i)); s == nil || s.Hash() != cells[i].Hash() {
			t.Errorf("body %d is not here", i)
		}
	}
}

func TestSlowStreamIsNotGivenUp(t *testing.T) {
	x := newSolo(t, 5, nil)
	c := x.large(9, 1, "k", bigBody(1, 10_000))
	x.recv(2, advertOf(wire.Span{}, c))
	d := x.dialed()[0]
	for off := 0; off < 10_000; off += 2_500 {
		x.n.run(x.e.cfg.SessionIdle * 2 / 3)
		x.chunk(2, &wire.Body{AddrVer: d.Fetch.Items[0], Total: 10_000, Offset: uint64(off), Bytes: c.Body[off : off+2_500]})
	}
	if x.get("k") == nil || len(x.dialed()) > 0 {
		t.Error("a slow stream was given up")
	}
}

func TestChunksOfNoStreamAreIgnored(t *testing.T) {
	x := newSolo(t, 5, nil)
	c := x.large(9, 1, "k", bigBody(1, 10_000))
	x.recv(2, advertOf(wire.Span{}, c))
	d := x.dialed()[0]
	item := d.Fetch.Items[0]
	x.chunk(3, &wire.Body{AddrVer: item, Total: 10_000, Bytes: c.Body})
	x.chunk(3, &wire.Body{AddrVer: item, Total: 5, Bytes: c.Body[:5]})
	if x.get("k") != nil || len(x.e.push.fetches.dials) != 1 {
		t.Error("a chunk of a member that was not asked was taken")
	}
	// A length that was not announced ends the stream at once: it could go on
	// for ever.
	x.chunk(2, &wire.Body{AddrVer: item, Total: 1 << 20, Bytes: c.Body[:5]})
	if len(x.e.push.fetches.dials) != 0 {
		t.Error("a stream that promises more than was announced goes on")
	}
}

func TestServeFetchCutsChunks(t *testing.T) {
	x := newSolo(t, 1, nil)
	body := bigBody(3, 2*bodyChunk+7)
	c := x.put("k", body)
	gone := wire.AddrVer{Addr: c.Addr, Ver: cell.Ver{T: c.Ver.T - 1, O: c.Ver.O, N: 9}}
	var got []byte
	empty := 0
	for m := range ServeFetch(x.e.Root(), &wire.Fetch{Items: []wire.AddrVer{{Addr: c.Addr, Ver: c.Ver}, gone}}) {
		switch {
		case m.Ver == gone.Ver:
			empty++
			if m.Total != 0 || len(m.Bytes) != 0 {
				t.Errorf("a version that is gone gave %d of %d bytes", len(m.Bytes), m.Total)
			}
		case m.Offset != uint64(len(got)) || m.Total != uint64(len(body)) || len(m.Bytes) > bodyChunk:
			t.Errorf("chunk at %d of %d, %d bytes", m.Offset, m.Total, len(m.Bytes))
		}
		got = append(got, m.Bytes...)
	}
	if !bytes.Equal(got, body) || empty != 1 {
		t.Errorf("%d bytes, %d empty chunks", len(got), empty)
	}
	for range ServeFetch(x.e.Root(), &wire.Fetch{Items: []wire.AddrVer{{Addr: c.Addr, Ver: c.Ver}}}) {
		break // must not go on
	}
}

func TestAdsAreHashedOnce(t *testing.T) {
	var a adCache
	h := cell.NewHasher("test")
	make1 := func(i int) *cell.Cell {
		c := cell.New(cell.Spec{Addr: cell.At(fmt.Sprint(i), "r"), Ver: cell.Ver{T: 1, O: 1, N: uint64(i + 1)}, Body: bigBody(uint64(i), 100)})
		h.Seal(c)
		return c
	}
	first := a.of(make1(0))
	if again := a.of(make1(0)); again.Cell != first.Cell || first.Hash != sha256.Sum256(bigBody(0, 100)) || first.Cell.Body != nil {
		t.Error("the same cell gave another ad")
	}
	for i := range 2 * maxAds {
		a.of(make1(i))
	}
	if len(a.byHash) != maxAds || a.order.len() != maxAds {
		t.Errorf("%d ads are kept, want %d", len(a.byHash), maxAds)
	}
}
