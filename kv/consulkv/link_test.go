package consulkv

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/starlingkv/starling/kv"
)

// An answer that does not end is not read to its end, and not asked for again.
func TestAnAnswerIsBounded(t *testing.T) {
	for size, want := range map[int]error{9: nil, 10: nil, 11: errLong} {
		b := &boundedBody{ReadCloser: io.NopCloser(strings.NewReader(strings.Repeat("x", size))), left: 10}
		if _, err := io.ReadAll(b); !errors.Is(err, want) {
			t.Errorf("%d bytes of at most 10: %v, want %v", size, err, want)
		}
	}
	c, err := New("http://127.0.0.1:1", kv.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.store.final(errLong) == nil {
		t.Error("an answer that is too long is asked for again")
	}
}
