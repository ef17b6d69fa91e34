package consulkv

import (
	"testing"
	"time"
)

// TestStamps holds the bits for ever.
func TestStamps(t *testing.T) {
	at := time.Date(2026, 11, 22, 17, 30, 0, 500e6, time.UTC)
	for want, s := range map[uint64]stamp{
		0xa000000000000000: {updated: stampEpoch},
		0xa000000010000000: {updated: stampEpoch.Add(stampTick)},
		0xb0000000000007ff: {updated: stampEpoch, turn: 1, kind: maxKind},
		0xa00000000a8c0000: {updated: stampEpoch, ttl: maxTTL},
		0xa071d42310000805: {updated: at, ttl: time.Second, kind: 5},
	} {
		if got := s.flags(); got != want {
			t.Errorf("%+v is %#x, want %#x", s, got, want)
		}
		if got, ok := stampOf(want); !ok || got != s {
			t.Errorf("%#x is %+v, %v; want %+v", want, got, ok, s)
		}
	}
}

func TestStampsRoundTheTTLUp(t *testing.T) {
	for ttl, want := range map[time.Duration]time.Duration{
		1: time.Second, 400 * time.Millisecond: time.Second, time.Second: time.Second, time.Second + 1: 2 * time.Second,
	} {
		got, _ := stampOf(stamp{updated: stampEpoch, ttl: ttl}.flags())
		if got.ttl != want {
			t.Errorf("%v is kept as %v, want %v", ttl, got.ttl, want)
		}
	}
}

func TestTimesWithoutAPlaceTakeTheNearest(t *testing.T) {
	last := stampEpoch.Add((1<<32 - 1) * stampTick)
	for at, want := range map[time.Time]time.Time{
		{}: stampEpoch, stampEpoch.AddDate(-1, 0, 0): stampEpoch, stampEpoch.AddDate(90, 0, 0): last, stampEpoch.AddDate(900, 0, 0): last,
		stampEpoch.Add(240 * time.Millisecond): stampEpoch, stampEpoch.Add(260 * time.Millisecond): stampEpoch.Add(stampTick),
	} {
		if got, ok := stampOf(stamp{updated: at}.flags()); !ok || !got.updated.Equal(want) {
			t.Errorf("%v is kept as %v, want %v", at, got.updated, want)
		}
	}
}

func TestFlagsOfOthersAreNoStamps(t *testing.T) {
	for _, flags := range []uint64{0, 1, 42, 1 << 32, 0x2ddccbc058a50c18, 0xe0f69a2baa414de0, 1<<64 - 1} {
		if s, ok := stampOf(flags); ok {
			t.Errorf("%#x was taken for %+v", flags, s)
		}
	}
}
