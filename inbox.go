package starling

import (
	"encoding/binary"
	"sync"

	"github.com/starlingkv/starling/internal/cell"
)

// maxInbox bounds the bytes of the frames that wait for the loop.
const maxInbox = 64 << 20

// frameCost is what a waiting frame takes beside its bytes.
const frameCost = 64

// inbox holds the frames that came in packets until the loop takes them. When
// it is full it drops the frame that comes, and remembers whose it was.
type inbox struct {
	ready chan struct{} // has one element when something waits
	limit int

	mu      sync.Mutex // guards what follows
	frames  [][]byte
	bytes   int
	lossy   map[cell.Origin]struct{}
	dropped uint64
}

func newInbox(limit int) *inbox {
	return &inbox{ready: make(chan struct{}, 1), limit: limit, lossy: make(map[cell.Origin]struct{})}
}

// put takes a copy of the frame.
func (b *inbox) put(frame []byte) {
	b.mu.Lock()
	if b.bytes+len(frame)+frameCost > b.limit {
		b.dropped++
		if o := senderOf(frame); o != 0 && len(b.lossy) < maxLossy {
			b.lossy[o] = struct{}{}
		}
	} else {
		b.frames = append(b.frames, append([]byte(nil), frame...))
		b.bytes += len(frame) + frameCost
	}
	b.mu.Unlock()
	poke(b.ready)
}

// maxLossy bounds the senders that are remembered: no cluster has more members.
const maxLossy = 10_000

// take empties the inbox.
func (b *inbox) take() (frames [][]byte, lossy []cell.Origin) {
	b.mu.Lock()
	defer b.mu.Unlock()
	frames, b.frames, b.bytes = b.frames, nil, 0
	for o := range b.lossy {
		lossy = append(lossy, o)
	}
	clear(b.lossy)
	return frames, lossy
}

// lost is how many frames were dropped.
func (b *inbox) lost() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.dropped
}

// senderOf reads the origin from where every version of a frame has it.
func senderOf(frame []byte) cell.Origin {
	const at = 4
	if len(frame) < at+8 {
		return 0
	}
	return cell.Origin(binary.BigEndian.Uint64(frame[at:]))
}

// poke puts an element into a channel of one, if it is empty.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
