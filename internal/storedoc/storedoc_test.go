package storedoc

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/kvtest"
)

func TestRows(t *testing.T) {
	file := filepath.Join(t.TempDir(), "stores.md")
	if err := os.WriteFile(file, []byte("# Stores\n\n"+Head+"\nThe end.\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	a := Row("a", "itself", kvtest.Report{Can: kv.Capabilities{LinearizableCAS: true, TTL: true, MaxValue: 512 << 10}, Left: []string{"X", "Y"}})
	if want := "| a | itself | yes | of each key | to the millisecond | no | 512 KiB | refused | X Y |\n"; a != want {
		t.Errorf("got %swant %s", a, want)
	}
	b := Row("b", "c 1.2", kvtest.Report{Can: kv.Capabilities{OrderedWatch: true, TTL: true, TTLSlack: 5 * time.Second, Persistent: true, MaxValue: 1001, Media: true}})
	for _, row := range []string{a, b} {
		if Check(file, row) == nil {
			t.Errorf("a table without it has the row %s", row)
		}
		if err := Write(file, row); err != nil {
			t.Fatal(err)
		}
		if err := Check(file, row); err != nil {
			t.Error(err)
		}
	}
	later := strings.ReplaceAll(a, "512 KiB", "1 MiB")
	if err := Check(file, later); err == nil || !strings.Contains(err.Error(), "512 KiB") {
		t.Errorf("another row: %v, want what the table says", err)
	}
	if err := Write(file, later); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(file)
	if want := "# Stores\n\n" + Head + later + b + "\nThe end.\n"; err != nil || string(page) != want {
		t.Errorf("got %v\n%s\nwant\n%s", err, page, want)
	}
	for _, bad := range []string{filepath.Join(t.TempDir(), "none"), os.DevNull} {
		if Check(bad, a) == nil || Write(bad, a) == nil {
			t.Errorf("%s passes for a page with a table", bad)
		}
	}
}
