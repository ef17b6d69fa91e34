package consulkv

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/starlingkv/starling/kv"
)

// TestGoldenKinds holds the bytes of the row for ever: the file is never changed.
func TestGoldenKinds(t *testing.T) {
	golden, err := os.ReadFile("testdata/kinds.v1.json")
	if err != nil {
		t.Fatal(err)
	}
	f := kindsFile{V: kindsVersion}
	for _, k := range []kind{{codec: "bytes"}, {codec: "json.user", media: "application/json"}, {media: "text/plain"}} {
		n, err := f.choose(k)
		if err != nil {
			t.Fatal(err)
		}
		f.Kinds = append(f.Kinds, kindsLine{Number: n, Codec: k.codec, Media: k.media})
	}
	b, err := json.Marshal(f)
	if want := strings.TrimSpace(string(golden)); err != nil || string(b) != want {
		t.Errorf("got %s, %v; want %s", b, err, want)
	}
	if _, err := parseKinds(golden); err != nil {
		t.Error(err)
	}
}

func TestParseKindsRefuses(t *testing.T) {
	for _, bad := range []string{
		"", "null", "7", `{"kinds":[]}`, `{"v":1,"kinds":[{"n":0,"codec":"a"}]}`, `{"v":1,"kinds":[{"n":2048,"codec":"a"}]}`,
		`{"v":1,"kinds":[{"n":1,"codec":"a"},{"n":1,"codec":"b"}]}`, `{"v":1,"kinds":[{"n":1,"codec":"a"},{"n":2,"codec":"a"}]}`,
		`{"v":1,"kinds":[{"n":1}]}`, `{"v":1,"kinds":[{"n":1,"media":"no type"}]}`,
		`{"v":1,"kinds":[{"n":1,"codec":"` + strings.Repeat("c", maxCodec+1) + `"}]}`,
	} {
		if f, err := parseKinds([]byte(bad)); err == nil {
			t.Errorf("%.60s was read as %+v", bad, f)
		}
	}
	if f, err := parseKinds([]byte(`{"v":9,"kinds":[{"n":5,"codec":"a","later":{}}],"more":1}`)); err != nil || len(f.Kinds) != 1 {
		t.Errorf("a row of a later version is %+v, %v; want what is known of it", f, err)
	}
}

// A row that was deleted comes back with the same numbers, in whatever order its writers come.
func TestNumbersAreOfTheNames(t *testing.T) {
	var full kindsFile
	first := map[kind]int{}
	for i := range maxKind {
		k := kind{codec: "c" + strings.Repeat("x", i%7) + string(rune('a'+i%26)) + string(rune('0'+i/26))}
		alone, err := kindsFile{}.choose(k)
		if err != nil {
			t.Fatal(err)
		}
		first[k] = alone
		n, err := full.choose(k)
		if err != nil || n < 1 || n > maxKind {
			t.Fatalf("kind %d of %d gets %d, %v", i+1, maxKind, n, err)
		}
		full.Kinds = append(full.Kinds, kindsLine{Number: n, Codec: k.codec})
	}
	kept := 0
	for _, l := range full.Kinds[:40] {
		if first[l.kind()] == l.Number {
			kept++
		}
	}
	if kept < 38 {
		t.Errorf("of 40 kinds %d have the number that they get alone", kept)
	}
	if n, err := full.choose(kind{codec: "one more"}); err == nil {
		t.Errorf("a kind more than there are numbers gets %d", n)
	}
}

func FuzzParseKinds(f *testing.F) {
	golden, err := os.ReadFile("testdata/kinds.v1.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(golden)
	f.Add([]byte(`{"v":1,"kinds":[{"n":1,"codec":"a"}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := parseKinds(b)
		if err != nil {
			return
		}
		for _, l := range file.Kinds {
			if l.Number < 1 || l.Number > maxKind || kv.CheckMedia(l.Media) != nil {
				t.Fatalf("%s was taken with %+v", b, l)
			}
		}
	})
}
