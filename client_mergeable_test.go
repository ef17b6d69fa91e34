package starling_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/starlingkv/starling"
	"github.com/starlingkv/starling/internal/member"
	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/memkv"
)

// TestMergeableOnTwoNodes tells one story of a value with a merge of its own.
func TestMergeableOnTwoNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := member.NewMemory(1)
		network.Latency = time.Millisecond
		nodes := clusterIn(t, network, "a", "b")
		a, b := nodes[0].Client(boards), nodes[1].Client(boards)
		want := func(what, on string) {
			t.Helper()
			pass(100 * time.Millisecond)
			for _, c := range []kv.Client{a, b} {
				if got := show(t, c); got != on {
					t.Errorf("%s: %q, want %q", what, got, on)
				}
			}
		}
		report(t, a, "ann", "bike")
		report(t, b, "bob", "car")
		want("each has written one", "ann=bike bob=car")
		report(t, a, "bob", "van")
		pass(100 * time.Millisecond)
		report(t, b, "bob", "bus")
		want("one second, one after the other", "ann=bike bob=bus")
		change(t, b, func(v board) { delete(v, "ann") })
		want("one is taken off", "bob=bus")
		report(t, a, "ann", "bike")
		want("and comes back in the same second", "ann=bike bob=bus")
		if err := a.Delete(t.Context(), "k"); err != nil {
			t.Fatal(err)
		}
		want("the key is deleted", "")
		report(t, b, "ann", "boat")
		want("and made anew in the same second", "ann=boat")
		change(t, b, func(v board) { delete(v, "ann") })
		pass(time.Second)
		report(t, a, "ann", "sled")
		want("off and on again", "ann=sled")
	})
}

// TestMergeableHeartbeatMeetsRemoval: a heartbeat does not send what is cold, and
// still brings back all of what somebody else had removed just before.
func TestMergeableHeartbeatMeetsRemoval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := member.NewMemory(1)
		network.Latency = 10 * time.Millisecond
		nodes := clusterIn(t, network, "a", "b")
		a, b := nodes[0].Client(boards), nodes[1].Client(boards)
		report(t, a, "ann", "bike")
		pass(5 * time.Second)
		written := nodes[0].Writes()
		change(t, b, func(v board) { delete(v, "ann") })
		pass(time.Millisecond)
		change(t, a, func(v board) { v["ann"] = duty{Since: time.Now().Unix() + 1, Kit: v["ann"].Kit} })
		if n := nodes[0].Writes() - written; n != 1 {
			t.Errorf("a heartbeat wrote %d cells, want 1", n)
		}
		pass(time.Second)
		for _, c := range []kv.Client{a, b} {
			if got := show(t, c); got != "ann=bike" {
				t.Errorf("after the heartbeat: %q, want ann=bike", got)
			}
		}
	})
}

// TestMergeableVerdictIsNotWritten: what Join decides between two is not written
// into the one that lost, so that he has it back when the other goes.
func TestMergeableVerdictIsNotWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clusterIn(t, member.NewMemory(1), "a")[0].Client(boards)
		report(t, c, "bob", "bike")
		report(t, c, "ann", "bike")
		if got := show(t, c); got != "ann=bike bob=" {
			t.Fatalf("two have one bike: %q", got)
		}
		pass(time.Second)
		change(t, c, func(v board) { v["bob"] = duty{Since: time.Now().Unix(), Kit: v["bob"].Kit} })
		pass(time.Second)
		change(t, c, func(v board) { delete(v, "ann") })
		if got := show(t, c); got != "bob=bike" {
			t.Errorf("when the other has gone: %q, want bob=bike", got)
		}
	})
}

// TestMergeableOlderIsNoChange: what is older than what is there is left out; if
// that is all, it is ErrNoChange, and nothing is written.
func TestMergeableOlderIsNoChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := clusterIn(t, member.NewMemory(1), "a")[0]
		c := n.Client(boards)
		report(t, c, "ann", "bike")
		written := n.Writes()
		runs := 0
		err := c.CAS(t.Context(), "k", func(in any) (any, bool, error) {
			runs++
			v := in.(board)
			v["ann"] = duty{Since: v["ann"].Since - 1, Kit: "old"}
			return v, true, nil
		})
		if !errors.Is(err, kv.ErrNoChange) || runs != kv.CASAttempts {
			t.Errorf("an older one: %v after %d runs of f, want ErrNoChange after %d", err, runs, kv.CASAttempts)
		}
		if _, err := c.Put(t.Context(), "k", board{"ann": {Since: 1}}); !errors.Is(err, kv.ErrNoChange) {
			t.Errorf("Put of an older one: %v, want ErrNoChange", err)
		}
		if got := show(t, c); got != "ann=bike" || n.Writes() != written {
			t.Errorf("%q after %d writes, want ann=bike after %d", got, n.Writes(), written)
		}
		change(t, c, func(board) {})
		if n.Writes() != written {
			t.Error("what is as it was is written")
		}
		ahead := func(in any) (any, bool, error) {
			return board{"ann": {Since: time.Now().Unix() + 60}}, true, nil
		}
		if err := c.CAS(t.Context(), "k", ahead); !errors.Is(err, kv.ErrClockSkew) {
			t.Errorf("one of the next minute: %v, want ErrClockSkew", err)
		}
	})
}

// TestMergeableConflicts: a CAS meets writes of the same name, wherever, and
// those of this node; others it joins.
func TestMergeableConflicts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := member.NewMemory(1)
		network.Latency = time.Millisecond
		nodes := clusterIn(t, network, "a", "b")
		a, b := nodes[0].Client(boards), nodes[1].Client(boards)
		report(t, a, "ann", "")
		for _, c := range []struct {
			name      string
			meanwhile func()
			runs      int
		}{
			{"nothing", func() {}, 1},
			{"another name, elsewhere", func() { report(t, b, "bob", "x") }, 1},
			{"another name, here", func() { report(t, a, "cid", "x") }, 2},
			{"the same name, elsewhere", func() { report(t, b, "ann", "x") }, 2},
			{"a delete, elsewhere", func() {
				if err := b.Delete(t.Context(), "k"); err != nil {
					t.Error(err)
				}
			}, 2},
		} {
			pass(5 * time.Second)
			runs := 0
			change(t, a, func(v board) {
				if runs++; runs == 1 {
					c.meanwhile()
				}
				pass(2 * time.Second)
				v["ann"] = duty{Since: time.Now().Unix(), Kit: c.name}
			})
			pass(time.Second)
			if got := show(t, b); runs != c.runs || !strings.Contains(got, "ann="+c.name) {
				t.Errorf("%s meanwhile: f ran %d times, want %d; elsewhere %q", c.name, runs, c.runs, got)
			}
		}
	})
}

// TestMergeableWithTTL: names go one by one, each at its time.
func TestMergeableWithTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clusterIn(t, member.NewMemory(1), "a")[0].Client(boards)
		lease := func(name string) {
			err := c.CAS(kv.WithTTL(t.Context(), time.Minute), "k", func(in any) (any, bool, error) {
				v, ok := in.(board)
				if !ok {
					v = board{}
				}
				if _, has := v[name]; !has {
					v[name] = duty{Since: time.Now().Unix(), Kit: name}
				}
				return v, true, nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		lease("ann")
		pass(40 * time.Second)
		lease("ann") // again, as it is
		pass(40 * time.Second)
		if got := show(t, c); got != "ann=ann" {
			t.Errorf("leased anew: %q", got)
		}
		report(t, c, "bob", "kit")
		pass(time.Minute)
		if got := show(t, c); got != "bob=kit" {
			t.Errorf("after the lease of one: %q, want bob=kit", got)
		}
	})
}

// TestMergeableReapsWhatNobodyNeeds: what a writer who is no more wrote of a name
// stays for ten minutes, and goes with a later write.
func TestMergeableReapsWhatNobodyNeeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := member.NewMemory(1)
		nodes := clusterIn(t, network, "a", "b")
		a, b := nodes[0].Client(boards), nodes[1].Client(boards)
		live := func(what string, want uint64) {
			t.Helper()
			pass(100 * time.Millisecond)
			for _, n := range nodes {
				if got := n.Stats().Keys; got != want {
					t.Errorf("%s: %d cells with a value, want %d", what, got, want)
				}
			}
		}
		report(t, a, "ann", "bike")
		report(t, a, "bob", "car")
		live("two pieces", 4)
		pass(time.Second)
		report(t, b, "ann", "bus")
		live("one is written by another", 5)
		pass(9 * time.Minute)
		change(t, a, func(v board) { delete(v, "bob") })
		report(t, a, "cid", "van")
		live("nine minutes later one goes, and a third comes", 6)
		for _, later := range []uint64{5, 4} {
			pass(9 * time.Minute)
			report(t, a, "cid", "van")
			pass(time.Second)
			report(t, a, "cid", "van")
			live("and nine minutes later", later)
		}
		if got := show(t, b); got != "ann=bus cid=van" {
			t.Errorf("the others are %q", got)
		}
	})
}

// TestMergeableBeginsWithAnything: a key that holds nothing takes what is
// written, of whatever time.
func TestMergeableBeginsWithAnything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clusterIn(t, member.NewMemory(1), "a")[0].Client(boards)
		change(t, c, func(v board) { v["ann"] = duty{Since: -1, Kit: "bike"} })
		if got := show(t, c); got != "ann=bike" {
			t.Errorf("a new key: %q", got)
		}
	})
}

// TestMergeableOnEveryStore runs one program on a node and on a store that keeps
// whole values: both hold the same.
func TestMergeableOnEveryStore(t *testing.T) {
	whole := memkv.New(boards.Codec())
	defer whole.Close()
	var got [2]string
	for i, c := range []kv.Client{open(t, starling.Options{Name: "a"}).Client(boards), whole} {
		r := rand.New(rand.NewPCG(7, 7))
		for since := range int64(60) {
			change(t, c, func(b board) { b[fmt.Sprint(r.IntN(5))] = duty{Since: since, Kit: fmt.Sprint("kit", since)} })
		}
		change(t, c, func(b board) { delete(b, "2") })
		v, err := c.Get(t.Context(), "k")
		if err != nil {
			t.Fatal(err)
		}
		b, err := boards.Codec().Encode(v)
		if err != nil {
			t.Fatal(err)
		}
		if keys, err := c.List(t.Context(), ""); err != nil || len(keys) != 1 {
			t.Errorf("List: %q, %v", keys, err)
		}
		if err := c.Delete(t.Context(), "k"); err != nil {
			t.Fatal(err)
		}
		if v, err := c.Get(t.Context(), "k"); v != nil || err != nil {
			t.Errorf("after Delete: %v, %v", v, err)
		}
		got[i] = string(b)
	}
	if got[0] != got[1] || strings.Contains(got[0], `"2"`) {
		t.Errorf("a node holds %s, a store of whole values %s", got[0], got[1])
	}
}

// TestMergeableIsWatched: a watcher is told of each change by somebody else, the
// last of them, and of the end of the key.
func TestMergeableIsWatched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := member.NewMemory(1)
		network.Latency = time.Millisecond
		nodes := clusterIn(t, network, "a", "b")
		a, b := nodes[0].Client(boards), nodes[1].Client(boards)
		var seen []string
		done := make(chan struct{})
		go func() {
			defer close(done)
			b.WatchKey(t.Context(), "k", func(v any) bool {
				seen = append(seen, fmt.Sprint(len(asBoard(v))))
				return v != nil
			})
		}()
		for _, name := range []string{"ann", "bob"} {
			report(t, a, name, name)
			pass(time.Second)
		}
		change(t, a, func(v board) { delete(v, "ann") })
		pass(time.Second)
		if err := a.Delete(t.Context(), "k"); err != nil {
			t.Fatal(err)
		}
		<-done
		if got := strings.Join(seen, " "); got != "1 2 1 0" {
			t.Errorf("the watcher saw boards of %s, want 1 2 1 0", got)
		}
	})
}

func asBoard(v any) board {
	b, _ := v.(board)
	return b
}
