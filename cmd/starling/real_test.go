package main

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
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

	if keys := f.holdSame(t, 30*time.Second); keys != realKeys {
		t.Errorf("they hold %d keys, want %d", keys, realKeys)
	}
	whole := f.nodes[0].hash(t)
	joins := time.Now()
	late := f.add(t)
	late.comesTo(t, whole, 30*time.Second)
	took := time.Since(joins)
	t.Logf("%s, who joins late, holds the same after %v", late.Node, took)
	if took > joinLimit {
		t.Errorf("%s holds the same only after %v, want %v", late.Node, took, joinLimit)
	}
	// The watchers have seen the bytes on n2 and n3, and all hold the same versions.
	reads := time.Now()
	late.holds(t, want)
	read := time.Since(reads)
	// An agreement leaves out the last ten seconds; so wait until those do not reach into the import.
	<-time.After(time.Until(imported.Add(11 * time.Second)))
	asked := time.Now()
	f.agree(t, imported, time.Minute)
	t.Logf("every byte was read back in %v; that all agree took %v", read, time.Since(asked))
}

// realInput makes the file, and what must be there in the end.
func realInput(t *testing.T) (want map[string][]byte, file []byte) {
	t.Helper()
	source := rand.NewChaCha8([32]byte{1})
	random := rand.New(source)
	want = make(map[string][]byte, realKeys)
	file = make([]byte, 0, 1.5*realBytes)
	total := 0
	for i := range realKeys {
		key := realKey(i)
		want[key] = realValue(source, realSize(random, i), i)
		total += len(want[key])
		if i%10 == 0 {
			file = appendLine(file, i, realValue(source, smallest, i)) // the last line of a key counts
		}
		file = appendLine(file, i, want[key])
	}
	if total < realBytes || total > 1.1*realBytes || len(want) != realKeys {
		t.Fatalf("made %d keys of %d bytes", len(want), total)
	}
	return want, file
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

// realSize is small for most values, and sometimes as large as it may be.
func realSize(random *rand.Rand, i int) int {
	switch {
	case i == 0:
		return smallest
	case i == 1:
		return largest
	case i%11 < 3:
		return int(smallest * math.Pow(float64(largest)/smallest, random.Float64()))
	}
	return int(smallest * math.Pow(20, random.Float64()))
}

func isText(i int) bool { return i%2 == 0 }

// realValue is text for every other key, and any bytes for the others.
func realValue(source *rand.ChaCha8, size, i int) []byte {
	v := make([]byte, size)
	_, _ = source.Read(v) // it never fails
	if isText(i) {
		v = []byte(hex.EncodeToString(v)[:size])
	}
	return v
}

// appendLine appends a line of the file. The keys need no escaping, nor does the text.
func appendLine(to []byte, i int, value []byte) []byte {
	to = fmt.Appendf(to, `{"key":"%s",`, realKey(i))
	if isText(i) {
		return fmt.Appendf(to, "\"value\":\"%s\"}\n", value)
	}
	to = append(to, `"value_base64":"`...)
	to = base64.StdEncoding.AppendEncode(to, value)
	return append(to, "\"}\n"...)
}
