package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// The real input: this many keys, a tenth of which are written twice.
const (
	realKeys  = 50_000
	realBytes = 100e6
	smallest  = 10
	largest   = 64 << 10

	// joinLimit is how soon a server that joins late holds all of it.
	joinLimit = 5 * time.Second
)

// TestRealInput imports a real file of keys through one of three servers: every byte is on all, two watchers miss
// nothing, all agree, and a fourth that joins late soon holds the same.
func TestRealInput(t *testing.T) {
	want, file := realInput(t)
	name := filepath.Join(t.TempDir(), "keys.jsonl")
	if err := os.WriteFile(name, file, 0o600); err != nil {
		t.Fatal(err)
	}
	f := startFleet(t, "real", 3)
	onSecond := watchByBinary(t, f.nodes[1], want)
	onThird := watchByClient(t, f.nodes[2].client(t), want)

	began := time.Now()
	if _, talk, code := verb(t, nil, "import", name, "--addr", f.nodes[0].HTTP); code != exitOK || !strings.Contains(talk, fmt.Sprintf("imported %d keys", realKeys+realKeys/10)) {
		t.Fatalf("import: exit code %d\n%s", code, talk)
	}
	imported := time.Now()
	onSecond.wait(t, "the watcher on n2 has not seen every key's last value")
	onThird.wait(t, "the watcher on n3 has not seen every key's last value")
	t.Logf("imported in %v, told everywhere %v later", imported.Sub(began), time.Since(imported))

	joins := time.Now()
	late := f.add(t)
	if keys := f.holdSame(t, 30*time.Second); keys != realKeys {
		t.Errorf("they hold %d keys, want %d", keys, realKeys)
	}
	took := time.Since(joins)
	t.Logf("%s, who joins late, holds the same after %v", late.Node, took)
	if took > joinLimit {
		t.Errorf("%s holds the same only after %v, want %v", late.Node, took, joinLimit)
	}
	for _, p := range f.nodes {
		p.holds(t, want)
	}
	// An agreement leaves out the last ten seconds; so wait until those do not reach into the import.
	<-time.After(time.Until(imported.Add(11 * time.Second)))
	f.agree(t, imported, time.Minute)
}

// realInput makes the file, and what must be there in the end.
func realInput(t *testing.T) (want map[string][]byte, file []byte) {
	t.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	want = make(map[string][]byte, realKeys)
	var out bytes.Buffer
	total := 0
	for i := range realKeys {
		key := realKey(i)
		want[key] = realValue(random, i)
		total += len(want[key])
		if i%10 == 0 {
			out.Write(jsonLine(t, key, []byte("an older value"))) // the last line of a key counts
		}
		out.Write(jsonLine(t, key, want[key]))
	}
	if total < realBytes || total > 1.1*realBytes || len(want) != realKeys {
		t.Fatalf("made %d keys of %d bytes", len(want), total)
	}
	return want, out.Bytes()
}

// realKey is a key of one of the forms that people use, and some that only few do.
func realKey(i int) string {
	switch i % 8 {
	case 0:
		return fmt.Sprintf("/registry/pods/%05d", i)
	case 1:
		return fmt.Sprintf("grün/%d", i)
	case 2:
		return fmt.Sprintf("a//../%d?x=1&y#z", i)
	}
	return fmt.Sprintf("service/%d/instance/%d", i%40, i)
}

// realValue is small for most keys, text or not, and sometimes as large as it may be.
func realValue(random *rand.Rand, i int) []byte {
	size := int(smallest * math.Pow(20, random.Float64()))
	switch {
	case i == 0:
		size = smallest
	case i == 1:
		size = largest
	case i%11 < 3:
		size = int(smallest * math.Pow(float64(largest)/smallest, random.Float64()))
	}
	v := make([]byte, size)
	for j := range v {
		v[j] = byte(random.Uint32())
		if i%2 == 0 {
			v[j] = ' ' + v[j]%95
		}
	}
	return v
}

func jsonLine(t *testing.T, key string, value []byte) []byte {
	t.Helper()
	l := map[string]any{"key": key, "value_base64": value}
	if isText(value) {
		l = map[string]any{"key": key, "value": string(value)}
	}
	b, err := json.Marshal(l)
	if err != nil {
		t.Fatal(err)
	}
	return append(b, '\n')
}

func isText(b []byte) bool {
	return !slices.ContainsFunc(b, func(c byte) bool { return c < ' ' || c > '~' })
}
