package starling_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/starlingkv/starling"
	"github.com/starlingkv/starling/crdt"
	"github.com/starlingkv/starling/kv"
)

func TestOptionsValidate(t *testing.T) {
	text := crdt.Register(kv.String)
	for _, c := range []struct {
		name string
		o    starling.Options
		want []string // what the error names; none: valid
	}{
		{"zero", starling.Options{}, nil},
		{"loopback needs no cluster", starling.Options{Bind: "127.0.0.2:7171"}, nil},
		{"localhost", starling.Options{Bind: "localhost:0"}, nil},
		{"IPv6 loopback", starling.Options{Bind: "[::1]:7171"}, nil},
		{"off loopback", starling.Options{Bind: "10.0.0.1:7171"}, []string{"cluster: must be set"}},
		{"every address", starling.Options{Bind: ":7171"}, []string{"cluster: must be set"}},
		{"off loopback with a cluster", starling.Options{Bind: ":7171", Cluster: "prod-1.eu"}, nil},
		{"bad cluster", starling.Options{Cluster: "Prod"}, []string{`cluster "Prod"`}},
		{"long cluster", starling.Options{Cluster: strings.Repeat("a", 65)}, []string{"cluster"}},
		{"bind without port", starling.Options{Bind: "127.0.0.1"}, []string{"bind"}},
		{"bind to a name", starling.Options{Bind: "example.com:1"}, []string{"not an IP address"}},
		{"bind to no port", starling.Options{Bind: "127.0.0.1:x"}, []string{"not a port"}},
		{"advertise", starling.Options{Advertise: "10.1.2.3"}, nil},
		{"advertise with port", starling.Options{Advertise: "10.1.2.3:9"}, nil},
		{"bad advertise", starling.Options{Advertise: "here"}, []string{"advertise"}},
		{"bad name", starling.Options{Name: "a b"}, []string{"name"}},
		{"the longest name", starling.Options{Name: strings.Repeat("n", 128)}, nil},
		{"too long a name", starling.Options{Name: strings.Repeat("n", 129)}, []string{"name"}},
		{"the longest cluster", starling.Options{Cluster: strings.Repeat("c", 64)}, nil},
		{"too long a cluster", starling.Options{Cluster: strings.Repeat("c", 65)}, []string{"cluster"}},
		{"tuned to the utmost", starling.Options{Tuning: starling.Tuning{SuspicionMult: 1000, Rejoin: 24 * time.Hour, TombstoneAge: time.Second}}, nil},
		{"tuned beyond it", starling.Options{Tuning: starling.Tuning{SuspicionMult: 1001, Rejoin: 24*time.Hour + 1, TombstoneAge: time.Second - 1}}, []string{"suspicion_mult", "rejoin", "tombstone_age"}},
		{"name with a slash", starling.Options{Name: "a/b"}, []string{"name"}},
		{"seeds", starling.Options{Seeds: []string{"node-1:7171", "[::1]:7171"}}, nil},
		{"bad seeds", starling.Options{Seeds: []string{"node-1", "x:0", ":1"}}, []string{`"node-1"`, `"x:0"`, `":1"`}},
		{"a kind twice", starling.Options{Kinds: []crdt.Kind{text, text}}, []string{`"string" twice`}},
		{"no kind", starling.Options{Kinds: []crdt.Kind{nil}}, []string{"kinds: nil"}},
		{"tuned", starling.Options{Tuning: starling.Tuning{Rejoin: time.Second, SuspicionMult: 6}}, nil},
		{"tuned badly", starling.Options{Tuning: starling.Tuning{Rejoin: -1, SuspicionMult: -1, SyncInterval: 25 * time.Hour, TombstoneAge: time.Millisecond}}, []string{"rejoin", "suspicion_mult", "sync_interval", "tombstone_age"}},
		{"seeds of all kinds", starling.Options{Seeds: []string{"dns+a:1", "dnssrv+_x._tcp.a", "dnssrvnoa+_x._tcp.a", "file+/etc/seeds"}}, nil},
		{"a seed of no kind", starling.Options{Seeds: []string{"srv+a:1"}}, []string{`"srv+a:1"`, "dnssrv+NAME"}},
		{"everything at once", starling.Options{Name: " ", Cluster: "_", Bind: "x", Seeds: []string{"y"}}, []string{"name", "cluster", "bind", "seed"}},
	} {
		err := c.o.Validate()
		if (err != nil) != (len(c.want) > 0) {
			t.Errorf("%s: got %v, want an error that names %q", c.name, err, c.want)
			continue
		}
		for _, w := range c.want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: got %v, want it to name %q", c.name, err, w)
			}
		}
		if err != nil {
			if _, opened := starling.Open(c.o); opened == nil {
				t.Errorf("%s: Open takes what Validate refuses", c.name)
			}
		}
	}
}

func TestOptionsAsJSON(t *testing.T) {
	var o starling.Options
	in := `{"name":"a","cluster":"c","bind":":7171","advertise":"10.0.0.1","seeds":["b:7171"],"join_wait":1000000000,"require_join":true,"tuning":{"suspicion_mult":5}}`
	if err := json.Unmarshal([]byte(in), &o); err != nil {
		t.Fatal(err)
	}
	if o.Name != "a" || o.Cluster != "c" || o.Bind != ":7171" || o.Advertise != "10.0.0.1" || len(o.Seeds) != 1 ||
		o.JoinWait != time.Second || !o.RequireJoin || o.Tuning.SuspicionMult != 5 {
		t.Errorf("got %+v, want what the JSON says", o)
	}
}

func TestNameDefaultsToOneOfItsOwn(t *testing.T) {
	a, b := open(t, starling.Options{}), open(t, starling.Options{})
	if a.Name() == "" || a.Name() == b.Name() {
		t.Errorf("names %q and %q, want two different ones", a.Name(), b.Name())
	}
	if a.Cluster() != "local" {
		t.Errorf("cluster %q, want local", a.Cluster())
	}
}

func TestOpenSaysThatThePortIsTaken(t *testing.T) {
	a := open(t, starling.Options{})
	_, err := starling.Open(starling.Options{Bind: a.Addr()})
	if err == nil || !strings.Contains(err.Error(), a.Addr()) {
		t.Errorf("Open on a taken address: %v, want an error that names it", err)
	}
}
