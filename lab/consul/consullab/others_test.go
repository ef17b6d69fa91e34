package consullab

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/hashicorp/consul/api"

	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/consulkv"
)

// TestOthersReadAndWriteTheSameKeys: a team that runs Consul has other readers and writers, who know nothing of starling.
func TestOthersReadAndWriteTheSameKeys(t *testing.T) {
	t.Parallel()
	a := Start(t)
	consul := a.Consul(t).KV()
	c := a.open(t, consulkv.Prefix("team/"))
	w := watch(t, c)
	w.want("synced")

	put(t, c, "leader/ingester", "plain")
	w.want("put leader/ingester=plain")
	p, _, err := consul.Get("team/leader/ingester", nil)
	if err != nil || p == nil || string(p.Value) != "plain" {
		t.Fatalf("others read %+v, %v; want the plain value at the key", p, err)
	}
	mine, _, err := c.Entry(soon(t), "leader/ingester")
	if err != nil {
		t.Fatal(err)
	}
	for _, flags := range []uint64{0, 42, api.LockFlagValue, 5 << 61} {
		if _, err := consul.Put(&api.KVPair{Key: "team/leader/ingester", Value: []byte("theirs"), Flags: flags}, nil); err != nil {
			t.Fatal(err)
		}
		w.want("put leader/ingester=theirs")
		e, ok, err := c.Entry(soon(t), "leader/ingester")
		if err != nil || !ok || e.Value != "theirs" || e.Codec != "" || e.Version == mine.Version {
			t.Errorf("what others wrote with flags %#x is %+v, %v, %v", flags, e, ok, err)
		}
	}
	if _, err := c.Put(soon(t), "leader/ingester", "no", kv.IfVersion(mine.Version)); !errors.Is(err, kv.ErrConflict) {
		t.Errorf("Put over what others wrote = %v, want ErrConflict", err)
	}
	if _, err := consul.DeleteTree("team/leader/", nil); err != nil {
		t.Fatal(err)
	}
	w.want("delete leader/ingester")
}

// Consul takes an equal write for none; here each has a version, and a watch is told of it.
func TestEqualWritesAreTwo(t *testing.T) {
	t.Parallel()
	a := Start(t)
	c := a.open(t)
	seen := map[string]bool{}
	for i := range 60 {
		opts := [][]kv.PutOption{nil, {kv.TTL(time.Hour)}}[i/30]
		version := put(t, c, "k", "equal", opts...)
		if seen[version] {
			t.Fatalf("write %d has the version %s of another", i, version)
		}
		seen[version] = true
	}
}

func TestWhatIsNoKeyIsLeftOut(t *testing.T) {
	t.Parallel()
	a := Start(t)
	consul := a.Consul(t)
	c := a.open(t, consulkv.Prefix("team/"))
	put(t, c, "a//b", "mine")
	for _, key := range []string{"team/100%", "team/ok", "teams", "team/"} {
		if _, err := consul.KV().Put(&api.KVPair{Key: key}, nil); err != nil {
			t.Fatal(err)
		}
	}
	keys, err := c.List(soon(t), "")
	if err != nil || !slices.Equal(keys, []string{"a//b", "ok"}) || c.LeftOut() != 2 {
		t.Errorf("keys %q, %v, and %d left out; want a//b and ok, and two", keys, err, c.LeftOut())
	}
	all, _, err := consul.KV().Keys("team/", "", nil)
	if err != nil || !slices.Contains(all, "team/a/%2Fb") {
		t.Errorf("Consul has %q, %v", all, err)
	}
}

// Whatever is a key here comes back from Consul as it was, alone, in lists and in watches, however long it becomes.
func TestHostileKeys(t *testing.T) {
	t.Parallel()
	a := Start(t)
	c := a.open(t, consulkv.Prefix("part/"))
	keys := []string{
		strings.Repeat("/", kv.MaxKey), strings.Repeat("%", kv.MaxKey), strings.Repeat("🦜", kv.MaxKey/4),
		strings.Repeat("../", kv.MaxKey/3), "a?recurse", "a#b", "a;b", "a+b c", "%starling-kinds", "%2e%2e/", "\ufeff", "\u2028x", "ß//ß/./.",
	}
	for r := rune(' '); r <= 0x17f; r++ {
		if !unicode.IsControl(r) {
			keys = append(keys, "char "+string(r)+"/"+string(r))
		}
	}
	slices.Sort(keys)
	for _, key := range keys {
		put(t, c, key, "of "+key)
		if v, err := c.Get(soon(t), key); v != "of "+key || err != nil {
			t.Fatalf("%q holds %v, %v", key, v, err)
		}
	}
	if got, err := c.List(soon(t), ""); err != nil || !slices.Equal(got, keys) || c.LeftOut() != 0 {
		t.Errorf("List = %q, %v and %d left out, want %q", got, err, c.LeftOut(), keys)
	}
	w := watch(t, c)
	for _, key := range keys {
		w.want("put " + key + "=of " + key)
	}
	w.want("synced")
	for _, key := range keys {
		for _, prefix := range []string{key, key[:len(key)/2], key[:len(key)-1]} {
			if got, err := c.List(soon(t), prefix); err != nil || !slices.Contains(got, key) {
				t.Fatalf("List(%q) = %q, %v, without %q", prefix, got, err, key)
			}
		}
		if err := c.Delete(soon(t), key); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := c.List(soon(t), ""); err != nil || len(got) != 0 {
		t.Errorf("after all deletes: %q, %v", got, err)
	}
}

// A reader learns the kinds that others write after it has begun, however it meets them.
func TestKindsOfOthersAreLearned(t *testing.T) {
	t.Parallel()
	a := Start(t)
	part := consulkv.Prefix("part/")
	writer := a.open(t, part)
	readers := map[string]func(c *consulkv.Client) (kv.Entry, error){
		"Entry": func(c *consulkv.Client) (kv.Entry, error) {
			e, _, err := c.Entry(soon(t), "k")
			return e, err
		},
		"Entries": func(c *consulkv.Client) (e kv.Entry, err error) {
			for e, err = range c.Entries(soon(t), "", "") {
			}
			return e, err
		},
		"Events": func(c *consulkv.Client) (kv.Entry, error) {
			for ev, err := range c.Events(soon(t), "") {
				return ev.Entry, err
			}
			return kv.Entry{}, nil
		},
	}
	clients := map[string]*consulkv.Client{}
	for name := range readers {
		clients[name] = a.open(t, part)
	}
	for _, media := range []string{"text/one", "text/two", "text/three"} {
		put(t, writer, "k", "v", kv.Media(media))
		for name, read := range readers {
			if e, err := read(clients[name]); err != nil || e.Codec != "string" || e.Media != media {
				t.Errorf("%s gave %+v, %v; want codec string and %s", name, e, err, media)
			}
		}
	}
}

// The row that names the kinds may be gone: then it comes back as it was, and nothing is misread.
func TestTheRowOfKindsMayBeDeleted(t *testing.T) {
	t.Parallel()
	a := Start(t)
	consul := a.Consul(t).KV()
	c := a.open(t)
	put(t, c, "k", "v", kv.Media("text/plain"))
	before, _, err := consul.Get("%starling-kinds", nil)
	if err != nil || before == nil {
		t.Fatalf("the row is %v, %v", before, err)
	}
	if _, err := consul.Delete("%starling-kinds", nil); err != nil {
		t.Fatal(err)
	}
	fresh := a.open(t)
	if e, ok, err := fresh.Entry(soon(t), "k"); err != nil || !ok || e.Value != "v" || e.Codec != "" || e.Media != "" {
		t.Errorf("without the row the value is %+v, %v, %v", e, ok, err)
	}
	put(t, fresh, "k2", "v", kv.Media("text/plain"))
	if e, _, err := fresh.Entry(soon(t), "k"); err != nil || e.Codec != "string" || e.Media != "text/plain" {
		t.Errorf("with the row of another writer the value is %+v, %v", e, err)
	}
	if _, err := consul.Put(&api.KVPair{Key: "%starling-kinds", Value: []byte("{")}, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := a.open(t).Get(soon(t), "k"); err == nil || !strings.Contains(err.Error(), "delete it") {
		t.Errorf("with a row that does not read: %v, want what to do", err)
	}
}

// A lock of others is theirs: a value goes in, as with Consul's own clients, but no TTL.
func TestLocksOfOthers(t *testing.T) {
	t.Parallel()
	a := Start(t)
	consul := a.Consul(t)
	c := a.open(t)
	id, _, err := consul.Session().CreateNoChecks(&api.SessionEntry{Name: "theirs"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if ok, _, err := consul.KV().Acquire(&api.KVPair{Key: "k", Value: []byte("locked"), Session: id, Flags: api.LockFlagValue}, nil); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if _, err := c.Put(soon(t), "k", "v", kv.TTL(time.Hour)); !errors.Is(err, kv.ErrUnsupported) || !strings.Contains(err.Error(), id) {
		t.Errorf("a TTL for a locked key = %v, want ErrUnsupported and whose it is", err)
	}
	put(t, c, "k", "v")
	p, _, err := consul.KV().Get("k", nil)
	if err != nil || p == nil || p.Session != id || string(p.Value) != "v" {
		t.Errorf("after a write the key is %+v, %v; want the value, and their lock", p, err)
	}
	if e, _, err := c.Entry(soon(t), "k"); err != nil || !e.Expires.IsZero() {
		t.Errorf("the entry is %+v, %v", e, err)
	}
}
