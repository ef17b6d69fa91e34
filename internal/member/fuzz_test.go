package member

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"

	"github.com/starlingkv/starling/internal/wire"
)

// wireOf is a stream that holds what a stranger has sent, and then ends.
type wireOf struct {
	net.Conn
	r io.Reader
}

func (w wireOf) Read(b []byte) (int, error)      { return w.r.Read(b) }
func (w wireOf) SetReadDeadline(time.Time) error { return nil }

// FuzzGreeting: whatever a stream begins with, its label is what stands there,
// and memberlist reads all of its own streams from the first byte on. At most
// 257 bytes are held.
func FuzzGreeting(f *testing.F) {
	f.Add(wire.StreamHello("a-cluster"))
	f.Add([]byte{labelMagic, 3, 'a', 'b', 'c', 1, 2})
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"))
	f.Add([]byte{wire.StreamMagic, 255, 'x'})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		c := &conn{Conn: wireOf{r: bytes.NewReader(b)}, set: &conns{}}
		label, ours, err := greeting(c)
		if err != nil {
			return
		}
		rest, err := io.ReadAll(c)
		if err != nil {
			t.Fatal(err)
		}
		if ours {
			if len(label) != int(b[1]) {
				t.Fatalf("of %x: label %q", b, label)
			}
			if want := b[2+len(label):]; string(b[2:2+len(label)]) != label || !bytes.Equal(rest, want) {
				t.Errorf("of %x: label %q, then %x", b, label, rest)
			}
			return
		}
		if !bytes.Equal(rest, b) {
			t.Errorf("memberlist reads %x of %x", rest, b)
		}
	})
}

// FuzzOriginIn: whatever a packet holds, looking for an origin in it does no harm.
func FuzzOriginIn(f *testing.F) {
	f.Add([]byte{userByte, 7, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 9})
	f.Add([]byte{checksumByte, 0, 0, 0, 0, userByte})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		frame, found := frameIn(b)
		if found && !bytes.HasSuffix(b, frame) {
			t.Errorf("of %x: the frame %x", b, frame)
		}
		if o, found := originIn(frame); !found && o != 0 {
			t.Errorf("origin %v was not found", o)
		}
	})
}
