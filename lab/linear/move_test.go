package linear_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/starlingkv/starling/internal/lab"
	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/consulkv"
	"github.com/starlingkv/starling/kv/etcdkv"
	"github.com/starlingkv/starling/kv/mirrorkv"
	"github.com/starlingkv/starling/kv/natskv"
	"github.com/starlingkv/starling/lab/consul/consullab"
	"github.com/starlingkv/starling/lab/stores/etcdlab"
	"github.com/starlingkv/starling/lab/stores/natslab"
)

// movedWithin is how long a change may take from one store to the other.
const movedWithin = 10 * time.Second

// TestCopyCommand moves keys with the real command: from etcd to a node, followed until the cut-over, and from there to
// NATS and to Consul.
func TestCopyCommand(t *testing.T) {
	binary := lab.Starling(t)
	cluster := etcdlab.Start(t, 1)
	source, err := etcdkv.New(cluster.Endpoints(), kv.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	app := kv.Prefix(source, "app/").(kv.Versioned)
	const keys = 1000
	for i := range keys {
		if _, err := app.Put(t.Context(), fmt.Sprintf("k/%04d", i), []byte(fmt.Sprint("value ", i))); err != nil {
			t.Fatal(err)
		}
	}
	node := lab.Serve(t, binary, "--bind", "127.0.0.1:0")
	etcd := "etcd://" + cluster.Endpoints()[0] + "/app/"

	follow := exec.CommandContext(t.Context(), binary, "copy", "--watch", "--from", etcd, "--to", node, "-o", "json")
	var out, talk bytes.Buffer
	follow.Stdout, follow.Stderr = &out, &talk
	if err := follow.Start(); err != nil {
		t.Fatal(err)
	}
	arrives(t, binary, node, "k/0999", "value 999")
	if _, err := app.Put(t.Context(), "late", []byte("came while it was followed")); err != nil {
		t.Fatal(err)
	}
	if err := app.Remove(t.Context(), "k/0500"); err != nil {
		t.Fatal(err)
	}
	arrives(t, binary, node, "late", "came while it was followed")
	arrives(t, binary, node, "k/0500", "")
	if err := follow.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	var r struct{ Copied, Missing, Differs, Extra int }
	if err := follow.Wait(); err != nil {
		t.Errorf("copy --watch: %v\n%s", err, talk.String())
	}
	if err := json.Unmarshal(out.Bytes(), &r); err != nil || r.Copied != keys || r.Missing+r.Differs+r.Extra != 0 {
		t.Errorf("copy --watch reports %s, %v", out.String(), err)
	}

	nats := natslab.StartCluster(t)
	agent := consullab.Start(t)
	for _, to := range []string{
		"nats://" + nats.Members[0].Address() + "/app/?bucket=moved",
		"consul://" + agent.Address() + "/app/",
	} {
		if out, err := exec.CommandContext(t.Context(), binary, "copy", "--from", node, "--to", to).CombinedOutput(); err != nil {
			t.Errorf("copy to %s: %v\n%s", to, err, out)
		}
	}
	moved, err := consulkv.New(agent.URL(), kv.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	defer moved.Close()
	if v, err := moved.Get(t.Context(), "app/late"); err != nil || string(v.([]byte)) != "came while it was followed" {
		t.Errorf("after two moves: %v, %v", v, err)
	}
}

// arrives waits until a key has a value, "" for none, as the command reads it.
func arrives(t *testing.T, binary, node, key, want string) {
	t.Helper()
	got := ""
	for end := time.Now().Add(movedWithin); time.Now().Before(end); after(t.Context(), 20*time.Millisecond) {
		cmd := exec.CommandContext(t.Context(), binary, "get", key, "-o", "raw", "--addr", node)
		out, _ := cmd.Output() // an absent key is an error
		if got = string(out); got == want {
			return
		}
	}
	t.Fatalf("%q is %q, want %q", key, got, want)
}

// TestMirrorOfRealStores writes to etcd and NATS at once while the line to the one or the other is cut, and switches.
func TestMirrorOfRealStores(t *testing.T) {
	ls, endpoints := before(t, etcdlab.Start(t, 1).Endpoints())
	primary, err := etcdkv.New(endpoints, kv.String)
	if err != nil {
		t.Fatal(err)
	}
	defer primary.Close()
	members := natslab.StartCluster(t).Members
	natsLines, servers := before(t, []string{members[0].Address()})
	secondary, err := natskv.New("nats://"+servers[0], kv.String, natskv.Bucket("mirror"), natskv.Replicas(3))
	if err != nil {
		t.Fatal(err)
	}
	defer secondary.Close()
	m, err := mirrorkv.New(kv.String, primary, secondary, mirrorkv.Wait(500*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	ctx, stop := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	var done [4]int
	for w := range done {
		writers.Go(func() {
			for ctx.Err() == nil {
				err := m.CAS(ctx, fmt.Sprint("count/", w), func(in any) (any, bool, error) {
					s, _ := in.(string)
					return s + "x", true, nil
				})
				if err == nil {
					done[w]++
				}
				after(ctx, 5*time.Millisecond)
			}
		})
	}
	after(ctx, 500*time.Millisecond)
	natsLines[0].Cut() // the secondary is away: writes go on
	after(ctx, 2*time.Second)
	natsLines[0].Heal()
	switching, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for err = m.Switch(switching); err != nil && switching.Err() == nil; err = m.Switch(switching) {
		after(switching, 50*time.Millisecond) // it was not reached again yet
	}
	if err != nil {
		t.Fatal(err)
	}
	after(ctx, 500*time.Millisecond)
	ls[0].Cut() // the former primary, now the secondary
	after(ctx, time.Second)
	ls[0].Heal()
	stop()
	writers.Wait()
	for end := time.Now().Add(movedWithin); m.Outcomes().Behind != 0 && time.Now().Before(end); after(t.Context(), 20*time.Millisecond) {
	}
	t.Logf("%+v", m.Outcomes())
	if got := m.Outcomes(); got.Failed == 0 || got.Late == 0 || got.Caught == 0 || got.Mirrored == 0 {
		t.Errorf("no fault was met: %+v", got)
	}
	if r := m.Verify(t.Context(), ""); !r.Same() {
		t.Errorf("the stores differ: %+v", r)
	}
	for w, n := range done {
		v, err := m.Get(t.Context(), fmt.Sprint("count/", w))
		if s, _ := v.(string); err != nil || len(s) < n {
			t.Errorf("writer %d was told of %d successes, %d are there: %v", w, n, len(s), err)
		}
	}
}
