package hlc

import (
	"math"
	"testing"
)

func TestTimeParts(t *testing.T) {
	at := Make(1_700_000_000_123, 7)
	if at.Milli() != 1_700_000_000_123 || at.Logical() != 7 {
		t.Errorf("parts of %v: %d and %d", at, at.Milli(), at.Logical())
	}
	if got, want := at.String(), "1700000000123.7"; got != want {
		t.Errorf("String: got %q, want %q", got, want)
	}
	if got := uint64(Make(1, 2)); got != 0x10002 {
		t.Errorf("Make(1, 2): got %#x, want 0x10002", got)
	}
}

func TestMakeTakesTheNearestEnd(t *testing.T) {
	if got := Make(-5, 3); got != 3 {
		t.Errorf("negative milliseconds: got %v, want 0.3", got)
	}
	if got := Make(math.MaxInt64, 3).Milli(); got != 1<<48-1 {
		t.Errorf("too many milliseconds: got %d, want %d", got, int64(1<<48-1))
	}
}

func TestNextCarries(t *testing.T) {
	if got, want := Make(9, math.MaxUint16).Next(), Make(10, 0); got != want {
		t.Errorf("a full counter: got %v, want %v", got, want)
	}
	if got, want := Make(9, 1).Next(), Make(9, 2); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := Time(math.MaxUint64).Next(); got != math.MaxUint64 {
		t.Errorf("the last Time: got %v, want itself", got)
	}
}
