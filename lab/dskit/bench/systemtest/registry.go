package systemtest

import (
	"context"
	"testing"
	"time"

	"github.com/starlingkv/starling/lab/dskit/bench"
)

// registry holds a node with a table to what was filled in and written.
func registry(t *testing.T, s bench.System) {
	const n, tokens = 50, 16
	reg, err := s.StartRegistry("node-0", "")
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, reg.Close)
	if err := reg.Fill(n, tokens); err != nil {
		t.Fatal(err)
	}
	if got := reg.Len(); got != n {
		t.Errorf("got %d instances, want %d", got, n)
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	seen := make(chan int64, 16)
	go reg.Watch(ctx, func(t bench.Table) { in, _ := t.Get(bench.InstanceID(3)); seen <- in.Seen })
	tick := int64(1)
	for told := false; !told; {
		tick++ // again until it watches: not every store tells the present value
		if err := reg.Heartbeat(bench.InstanceID(3), tick); err != nil {
			t.Fatal(err)
		}
		select {
		case at := <-seen:
			told = at == bench.SeenAt(tick)
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			t.Fatal("the watcher was not told of a heartbeat")
		}
	}
	rowIs(t, reg.Open(), 3, tokens, tick)
	rowIs(t, reg.Open(), 4, tokens, 1)
	peer, err := s.StartRegistry("node-1", reg.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, peer.Close)
	for end := time.Now().Add(limit); peer.Len() != n; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the peer has %d instances, want %d", peer.Len(), n)
		}
	}
	rowIs(t, peer.Open(), 3, tokens, tick)
}

// receiver holds a replica to the packets that it was given.
func receiver(t *testing.T, s bench.System) {
	const n, tokens = 50, 16
	rec, err := s.Receiver(n, tokens)
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, rec.Close)
	beats := []bench.Beat{{Instance: 1, Tick: 5}, {Instance: 2, Tick: 6}, {Instance: 1, Tick: 7}}
	for _, per := range []int{1, 3} {
		for i := range beats {
			beats[i].Tick += 10
		}
		for _, deliver := range rec.Packets(beats, per) {
			deliver()
		}
		rec.Settle()
	}
	rowIs(t, rec.Open(), 0, tokens, 1)
	rowIs(t, rec.Open(), 1, tokens, 27)
	rowIs(t, rec.Open(), 2, tokens, 26)
}

func rowIs(t *testing.T, table bench.Table, i, tokens int, tick int64) {
	t.Helper()
	want := bench.MakeInstance(i, tokens, tick)
	got, ok := table.Get(bench.InstanceID(i))
	if !ok || got.Seen != want.Seen || got.Addr != want.Addr || got.Zone != want.Zone || len(got.Tokens) != len(want.Tokens) {
		t.Errorf("instance %d is %+v, %v; want %+v", i, got, ok, want)
	}
}
