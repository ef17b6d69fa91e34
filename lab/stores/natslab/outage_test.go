package natslab_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/starlingkv/starling/internal/lab"
	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/natskv"
	"github.com/starlingkv/starling/lab/stores/natslab"
)

// before puts a line that can be cut between a client and the server.
func before(t testing.TB, s *natslab.Server) *lab.Proxy {
	t.Helper()
	return lab.Before(t, s.Address())
}

// plain is the official client, as others use it.
func plain(t testing.TB, s *natslab.Server) jetstream.JetStream {
	t.Helper()
	conn, err := nats.Connect(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

func put(t testing.TB, c *natskv.Client, key, value string) {
	t.Helper()
	if _, err := c.Put(t.Context(), key, value); err != nil {
		t.Fatal(err)
	}
}

// refusesIn checks that the call fails when its context ends, not before, and says which server and why.
func refusesIn(t *testing.T, s *natslab.Server, call func(ctx context.Context) error) {
	t.Helper()
	const deadline = 400 * time.Millisecond
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	began := time.Now()
	err := call(ctx)
	if took := time.Since(began); took < deadline || took > deadline+2*time.Second {
		t.Errorf("it took %v, want the %v of the context", took, deadline)
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the end of the context", err)
	}
	for _, want := range []string{s.Address(), "connection refused"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
}

func TestTheServerAwayAtTheStart(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	s := natslab.Away(t)
	defer s.Kill()
	c := open(t, s.URL(), natskv.Bucket(fresh()))
	defer c.Close()
	refusesIn(t, s, func(ctx context.Context) error { _, err := c.Put(ctx, "k", "v"); return err })
	refusesIn(t, s, func(ctx context.Context) error { _, err := c.Get(ctx, "k"); return err })
	refusesIn(t, s, func(ctx context.Context) error { _, err := c.List(ctx, ""); return err })
	s.Restart()
	put(t, c, "k", "v")

	s.Kill()
	refusesIn(t, s, func(ctx context.Context) error { _, err := c.Put(ctx, "k", "w"); return err })
	refusesIn(t, s, func(ctx context.Context) error { return c.Delete(ctx, "k") })
	s.Restart()
	if v, err := c.Get(t.Context(), "k"); v != "v" || err != nil {
		t.Errorf("got %v, %v after the server came back; want what it had", v, err)
	}
}

// follower pulls events one at a time.
type follower struct {
	t    *testing.T
	pull func() (kv.Event, error, bool)
}

func follow(t *testing.T, c *natskv.Client) *follower {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	pull, stop := iter.Pull2(c.Events(ctx, ""))
	t.Cleanup(func() { stop(); cancel() })
	return &follower{t: t, pull: pull}
}

// told fails the test unless these come next.
func (f *follower) told(want ...string) {
	f.t.Helper()
	var got []string
	for range want {
		ev, err, ok := f.pull()
		if err != nil || !ok {
			f.t.Fatalf("after %q the watch ended: %v", got, err)
		}
		text := ev.Kind.String()
		if ev.Key != "" {
			text += " " + ev.Key
		}
		if v, ok := ev.Value.(string); ok {
			text += "=" + v
		}
		got = append(got, text)
	}
	if !slices.Equal(got, want) {
		f.t.Fatalf("told %q, want %q", got, want)
	}
}

// While a watcher is cut off keys are changed and deleted, and the mark of one delete is removed too, so that no message
// is left of it. The watcher is told all the same, and nothing twice.
func TestAWatchIsToldWhatItMissed(t *testing.T) {
	s := natslab.Start(t)
	line := before(t, s)
	bucket := fresh()
	far, near := open(t, "nats://"+line.Address, natskv.Bucket(bucket)), open(t, s.URL(), natskv.Bucket(bucket))
	for _, key := range []string{"changes", "goes", "stays", "vanishes"} {
		put(t, near, key, "1")
	}
	f := follow(t, far)
	f.told("put changes=1", "put goes=1", "put stays=1", "put vanishes=1", "synced")
	put(t, near, "stays", "2")
	f.told("put stays=2")

	line.Cut()
	put(t, near, "changes", "2")
	for _, key := range []string{"goes", "vanishes"} {
		if err := near.Delete(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
	stream, err := plain(t, s).Stream(t.Context(), "KV_"+bucket)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Purge(t.Context(), jetstream.WithPurgeSubject("$KV."+bucket+".vanishes")); err != nil {
		t.Fatal(err)
	}
	put(t, near, "new", "1")
	line.Heal()
	f.told("delete vanishes", "put changes=2", "delete goes", "put new=1")
	put(t, near, "new", "2")
	f.told("put new=2")
}

// A bucket that was removed and made anew begins to count at one again. Its versions are others all the same.
func TestABucketMadeAnew(t *testing.T) {
	s := natslab.Start(t)
	line := before(t, s)
	bucket := fresh()
	c := open(t, "nats://"+line.Address, natskv.Bucket(bucket))
	f := follow(t, c)
	f.told("synced")
	version, err := c.Put(t.Context(), "k", "old")
	if err != nil {
		t.Fatal(err)
	}
	f.told("put k=old")
	line.Cut()
	if err := plain(t, s).DeleteKeyValue(t.Context(), bucket); err != nil {
		t.Fatal(err)
	}
	put(t, open(t, s.URL(), natskv.Bucket(bucket)), "k", "new")
	line.Heal()
	f.told("put k=new")
	if _, err := c.Put(t.Context(), "k", "late", kv.IfVersion(version)); !errors.Is(err, kv.ErrConflict) {
		t.Errorf("a version of the bucket before: %v, want ErrConflict", err)
	}
}

// Answers get lost while writes arrive. Each write happens once: of many increments none is lost and none is done twice.
func TestALostAnswerIsAskedForAgain(t *testing.T) {
	s := natslab.Start(t)
	line := before(t, s)
	c := open(t, "nats://"+line.Address, natskv.Bucket(fresh()))
	put(t, c, "n", "")
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 40 {
			<-time.After(time.Duration(2000+rand.IntN(2000)) * time.Microsecond)
			line.Mute()
			<-time.After(3 * time.Millisecond)
			line.Heal()
			<-time.After(80 * time.Millisecond) // time to connect again
		}
	}()
	n := 0
	for running := true; running; n++ {
		if err := c.CAS(t.Context(), "n", func(in any) (any, bool, error) { return fmt.Sprint(in, "x"), true, nil }); err != nil {
			t.Fatalf("increment %d: %v", n, err)
		}
		select {
		case <-done:
			running = false
		default:
		}
	}
	if v, err := c.Get(t.Context(), "n"); v != strings.Repeat("x", n) || err != nil {
		t.Errorf("%d increments left %d, %v", n, len(fmt.Sprint(v)), err)
	}
}
