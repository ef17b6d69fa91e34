// Package hlc is a hybrid logical clock after Kulkarni et al. (2014) whose
// wall time is an argument.
//
// A Time is 48 bits of unix milliseconds and 16 bits of logical counter. A
// Clock issues Times that only rise and that are above everything it received.
// It reads no clock itself: whoever drives it hands in a Reading, the wall and
// the monotonic clock side by side, because only the pair shows that somebody
// has set the wall clock.
//
// Physical time never goes back. A wall that steps back is held: time stands
// still until the wall has caught up, there is no slewing. A wall that leaps
// forward is taken at once, but a leap beyond the allowed skew has to be
// confirmed by one peer before the clock says it is fit to write with.
package hlc

import (
	"math"
	"strconv"
)

const logicalBits = 16

// Time is a version in time: unix milliseconds above a logical counter of 16
// bits. Times compare as integers. The zero Time is before all others.
type Time uint64

// Make returns the Time of the given unix milliseconds and logical counter.
// Milliseconds outside 48 bits are taken as the nearest end.
func Make(ms int64, logical uint16) Time {
	const last = math.MaxUint64 >> logicalBits
	switch {
	case ms < 0:
		ms = 0
	case ms > last:
		ms = last
	}
	return Time(ms)<<logicalBits | Time(logical)
}

// Milli is the unix milliseconds of t.
func (t Time) Milli() int64 { return int64(t >> logicalBits) }

// Logical is the logical counter of t.
func (t Time) Logical() uint16 { return uint16(t) }

// Next is the smallest Time above t: a full logical counter carries into the
// milliseconds. The last Time of all is its own Next, since wrapping to zero
// would be worse.
func (t Time) Next() Time {
	if t == math.MaxUint64 {
		return t
	}
	return t + 1
}

// String is "milliseconds.logical".
func (t Time) String() string {
	return strconv.FormatInt(t.Milli(), 10) + "." + strconv.FormatUint(uint64(t.Logical()), 10)
}
