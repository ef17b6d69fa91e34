package elect

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/starlingkv/starling/kv"
)

// TestRecordBytes pins the JSON of a record: processes of different versions share a key.
func TestRecordBytes(t *testing.T) {
	golden, err := os.ReadFile("testdata/record.json")
	if err != nil {
		t.Fatal(err)
	}
	want := record{V: 1, Holder: "node-a", Token: 7, LeaseMS: 15000, Beat: 3}
	if got, err := want.encode(); err != nil || string(got) != string(golden) {
		t.Errorf("encodes as %s, want %s: %v", got, golden, err)
	}
	if got, err := parse(golden); err != nil || got != want {
		t.Errorf("parses as %+v, want %+v: %v", got, want, err)
	}
	later := []byte(strings.Replace(string(golden), `"v":1`, `"v":2,"more":{}`, 1))
	if got, err := parse(later); err != nil || got.Token != 7 {
		t.Errorf("a record of a later version: %+v, %v", got, err)
	}
}

func TestParseRefuses(t *testing.T) {
	for name, v := range map[string]any{
		"no JSON":    []byte("leader=me"),
		"no version": []byte(`{"holder":"a","token":1,"lease_ms":1000}`),
		"no lease":   []byte(`{"v":1,"holder":"a","token":1}`),
		"long lease": []byte(`{"v":1,"holder":"a","token":1,"lease_ms":99999999}`),
		"long name":  []byte(`{"v":1,"holder":"` + strings.Repeat("a", maxID+1) + `","token":1,"lease_ms":1000}`),
		"too long":   []byte(`{"v":1,"lease_ms":1000,"x":"` + strings.Repeat("a", maxRecord) + `"}`),
	} {
		if r, err := parse(v); !errors.Is(err, kv.ErrDecode) || !errors.Is(err, errRecord) {
			t.Errorf("%s: parse = %+v, %v", name, r, err)
		}
	}
	if _, err := parse("a string"); !errors.Is(err, kv.ErrType) {
		t.Errorf("a value of another client: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"v":1,"holder":"node-a","token":7,"lease_ms":15000,"beat":3}`))
	f.Add([]byte(`{"v":1,"lease_ms":-1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := parse(b)
		if err != nil {
			return
		}
		out, err := r.encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := parse(out)
		if err != nil || again != r {
			t.Errorf("%+v came back as %+v: %v", r, again, err)
		}
	})
}
