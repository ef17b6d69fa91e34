package member

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestLogSaysOnceWhatIsRepeated says one line every second for longer than it is kept back.
func TestLogSaysOnceWhatIsRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		from := bridgeLog(slog.New(slog.NewTextHandler(&out, nil)))
		for began := time.Now(); time.Since(began) <= resay; <-time.After(time.Second) {
			from.Print("[ERR] memberlist: Conflicting address for a")
		}
		from.Print("[WARN] memberlist: another line")
		from.Print("[DEBUG] memberlist: nobody wants to know")
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		want := []string{
			`text="Conflicting address for a"`,
			fmt.Sprintf(`text="Conflicting address for a" again=%d`, int(resay/time.Second)-1),
			`text="another line"`,
		}
		if len(lines) != len(want) {
			t.Fatalf("got %d lines, want %d:\n%s", len(lines), len(want), &out)
		}
		for i, w := range want {
			if !strings.HasSuffix(lines[i], w) {
				t.Errorf("line %d is %s, want %s", i, lines[i], w)
			}
		}
	})
}

// TestLogRemembersABoundedNumber says ever new lines.
func TestLogRemembersABoundedNumber(t *testing.T) {
	l := &logBridge{to: slog.New(slog.DiscardHandler), said: make(map[string]*saying)}
	for i := range 3 * maxSaid {
		if _, tell := l.note(fmt.Sprint(i)); !tell || len(l.said) > maxSaid {
			t.Fatalf("line %d: told %v, %d are remembered", i, tell, len(l.said))
		}
	}
}
