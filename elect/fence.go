package elect

import (
	"fmt"
	"sync/atomic"
)

// Fence is what a resource keeps to shut out former leaders: the greatest token it has seen. The zero Fence is ready. It
// is safe for concurrent use, and only as durable as the resource makes it: one that restarts begins with [Fence.Raise].
type Fence struct{ greatest atomic.Uint64 }

// Admit returns nil if no greater token was admitted before, else an error that wraps ErrLost.
func (f *Fence) Admit(token uint64) error {
	if greatest := f.Raise(token); greatest > token {
		return fmt.Errorf("%w: token %d comes after %d", ErrLost, token, greatest)
	}
	return nil
}

// Raise makes the fence at least as high as token and returns its height.
func (f *Fence) Raise(token uint64) (greatest uint64) {
	for {
		greatest = f.greatest.Load()
		if greatest >= token {
			return greatest
		}
		if f.greatest.CompareAndSwap(greatest, token) {
			return token
		}
	}
}
