package engine

import (
	"crypto/sha256"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/wire"
)

// packer fills packets: cells that go to the same member share one, in groups
// by the range that the member has to serve. Large bodies go as ads.
type packer struct {
	p     *pusher
	open  []*packet // in the order in which they were begun
	delta map[cell.Origin]*packet
	ads   map[hop]*packet
	bytes int // of what was given to add since the last take
}

// hop is a member and the range it has to serve.
type hop struct {
	to   cell.Origin
	span wire.Span
}

// packet is one packet being filled: a DELTA or an ADVERT.
type packet struct {
	to     cell.Origin
	size   int
	cells  int
	delta  *wire.Delta
	advert *wire.Advert
}

func (p *pusher) packer() *packer { return &packer{p: p} }

// add puts a cell into the packet of its hop. A cell that is larger than the
// budget of a packet, but no large body, travels alone.
func (k *packer) add(h hop, c *cell.Cell) {
	if len(c.Body) > k.p.e.cfg.LargeBody {
		k.addAd(h, c)
		return
	}
	size := wire.CellSize("", c)
	k.spend(size)
	pk := k.delta[h.to]
	if pk == nil || pk.size+size+wire.GroupSize > k.p.e.cfg.PacketBudget || pk.cells == MaxStepCells {
		k.send(pk)
		pk = k.begin(&packet{to: h.to, size: wire.DeltaSize, delta: &wire.Delta{}})
		if k.delta == nil {
			k.delta = make(map[cell.Origin]*packet)
		}
		k.delta[h.to] = pk
	}
	pk.put(h.span, c)
	pk.size += size
}

// put adds a cell to the group of its range.
func (pk *packet) put(s wire.Span, c *cell.Cell) {
	pk.cells++
	for i := range pk.delta.Groups {
		if g := &pk.delta.Groups[i]; g.Span == s {
			g.Cells = append(g.Cells, c)
			return
		}
	}
	pk.size += wire.GroupSize
	pk.delta.Groups = append(pk.delta.Groups, wire.Group{Span: s, Cells: []*cell.Cell{c}})
}

// addAd announces a cell whose body is too large to be pushed.
func (k *packer) addAd(h hop, c *cell.Cell) {
	ad := k.p.ads.of(c)
	size := wire.AdSize("", ad.Cell)
	k.spend(size)
	pk := k.ads[h]
	if pk == nil || pk.size+size > k.p.e.cfg.PacketBudget || pk.cells == MaxStepCells {
		k.send(pk)
		pk = k.begin(&packet{to: h.to, size: wire.DeltaSize + wire.GroupSize, advert: &wire.Advert{Span: h.span}})
		if k.ads == nil {
			k.ads = make(map[hop]*packet)
		}
		k.ads[h] = pk
	}
	pk.advert.Ads = append(pk.advert.Ads, ad)
	pk.cells++
	pk.size += size
}

func (k *packer) begin(pk *packet) *packet {
	k.open = append(k.open, pk)
	k.p.pace.spend(pk.size + k.p.e.cfg.PacketOverhead)
	k.p.pace.eager.add(k.p.now(), 1)
	return pk
}

// spend takes what a cell adds to a packet out of the budget.
func (k *packer) spend(size int) {
	k.bytes += size
	k.p.pace.bytes.level -= float64(size)
}

// take returns how many bytes were added since the last call.
func (k *packer) take() int {
	n := k.bytes
	k.bytes = 0
	return n
}

// close sends what is still open.
func (k *packer) close() {
	for _, pk := range k.open {
		k.send(pk)
	}
}

// send sends a packet once; nil and empty ones are not sent.
func (k *packer) send(pk *packet) {
	if pk == nil || pk.cells == 0 {
		return
	}
	pk.cells = 0
	var m wire.Msg = pk.delta
	if pk.delta == nil {
		m = pk.advert
	}
	k.p.e.send(pk.to, m)
}

// maxAds bounds the ads that are kept ready.
const maxAds = 256

// adCache keeps the ads of the last large bodies by the hashes of their cells,
// so that a body that is announced many times is hashed once.
type adCache struct {
	byHash map[[16]byte]wire.Ad
	order  fifo[[16]byte]
}

func (a *adCache) of(c *cell.Cell) wire.Ad {
	key := c.Hash()
	if ad, ok := a.byHash[key]; ok {
		return ad
	}
	s := c.Spec()
	s.Body = nil
	ad := wire.Ad{Cell: cell.New(s), Len: uint64(len(c.Body)), Hash: sha256.Sum256(c.Body)}
	if a.byHash == nil {
		a.byHash = make(map[[16]byte]wire.Ad)
	}
	a.byHash[key] = ad
	a.order.push(key)
	if a.order.len() > maxAds {
		old, _ := a.order.pop()
		delete(a.byHash, old)
	}
	return ad
}
