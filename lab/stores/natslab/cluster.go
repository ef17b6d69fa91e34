package natslab

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/starlingkv/starling/internal/lab"
)

// readyWithin is how long a cluster may take until it answers.
const readyWithin = 30 * time.Second

// Cluster is three servers.
type Cluster struct {
	t       testing.TB
	Members []*Server
}

// StartCluster starts a cluster and waits until it keeps things on all three members.
func StartCluster(t testing.TB) *Cluster {
	t.Helper()
	c := &Cluster{t: t, Members: named(t, lab.Start(t, fleet(t, 3, nil)))}
	c.awaitAll()
	return c
}

// URL is where clients reach the members.
func (c *Cluster) URL() string { return urls(c.Members) }

// Running counts the members that run.
func (c *Cluster) Running() (n int) {
	for _, m := range c.Members {
		if m.Running() {
			n++
		}
	}
	return n
}

// awaitAll waits until a stream can be kept on every member.
func (c *Cluster) awaitAll() {
	c.t.Helper()
	c.ask("three members that keep a stream", func(ctx context.Context, js jetstream.JetStream) bool {
		_, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "READY", Replicas: len(c.Members), Storage: jetstream.MemoryStorage})
		return err == nil && js.DeleteStream(ctx, "READY") == nil
	})
}

// LeaderOf returns the member that leads the stream of a bucket.
func (c *Cluster) LeaderOf(bucket string) (leader *Server) {
	c.t.Helper()
	c.ask("a leader of "+bucket, func(ctx context.Context, js jetstream.JetStream) bool {
		stream, err := js.Stream(ctx, "KV_"+bucket)
		if err != nil || stream.CachedInfo().Cluster == nil {
			return false
		}
		for _, m := range c.Members {
			if m.Running() && m.name == stream.CachedInfo().Cluster.Leader {
				leader = m
			}
		}
		return leader != nil
	})
	return leader
}

// Empty removes everything from a bucket.
func (c *Cluster) Empty(bucket string) {
	c.t.Helper()
	c.ask("an empty "+bucket, func(ctx context.Context, js jetstream.JetStream) bool {
		stream, err := js.Stream(ctx, "KV_"+bucket)
		return err == nil && stream.Purge(ctx) == nil
	})
}

// ask asks the cluster again and again until the answer is yes.
func (c *Cluster) ask(what string, yes func(context.Context, jetstream.JetStream) bool) {
	c.t.Helper()
	conn, err := nats.Connect(c.URL())
	if err != nil {
		c.t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		c.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), readyWithin)
	defer cancel()
	for !c.once(ctx, js, yes) {
		pause := time.NewTimer(50 * time.Millisecond)
		select {
		case <-pause.C:
		case <-ctx.Done():
			c.t.Fatalf("not within %v: %s", readyWithin, what)
		}
	}
}

func (c *Cluster) once(ctx context.Context, js jetstream.JetStream, yes func(context.Context, jetstream.JetStream) bool) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	return yes(ctx, js)
}
