package starling

import (
	"time"

	"github.com/starlingkv/starling/internal/wire"
)

// early keeps the frames of who is no member yet. A member that joins knows the
// others before they know it: it would have to say everything twice, and wait
// before the second time.
type early struct{ frames []earlyFrame }

type earlyFrame struct {
	wire.Frame
	came time.Time
}

const (
	// maxEarly bounds how many frames are kept; the first ones count.
	maxEarly = 64
	// earlyAge is how long they are kept: by then they have been said again.
	earlyAge = 2 * time.Second
)

// keep keeps a frame whose sender is not in the directory.
func (e *early) keep(f wire.Frame, d *directory) {
	if _, known := d.byOrigin[f.Origin]; known {
		return
	}
	for len(e.frames) > 0 && time.Since(e.frames[0].came) > earlyAge {
		e.frames = e.frames[1:]
	}
	if len(e.frames) < maxEarly {
		e.frames = append(e.frames, earlyFrame{f, time.Now()})
	}
}

// take returns the frames whose senders are in the directory now, in the order
// in which they came.
func (e *early) take(d *directory) []wire.Frame {
	var out []wire.Frame
	var rest []earlyFrame
	for _, f := range e.frames {
		_, known := d.byOrigin[f.Origin]
		switch {
		case time.Since(f.came) > earlyAge:
		case known:
			out = append(out, f.Frame)
		default:
			rest = append(rest, f)
		}
	}
	e.frames = rest
	return out
}
