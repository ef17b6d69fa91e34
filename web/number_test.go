package web_test

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestNumbersAreChanged adds to a Counter and shows numbers to a Max, each from nothing on.
func TestNumbersAreChanged(t *testing.T) {
	_, base := serve(t, nil)
	for _, c := range []struct {
		path   string
		status int
		value  string
		media  string
	}{
		{"n?add=5", 201, "5", ""},
		{"n?add=-7", 200, "-2", ""},
		{"n?add=0", 200, "-2", ""},
		{"m?observe=-3", 201, "-3", ""},
		{"m?observe=9", 200, "9", ""},
		{"m?observe=4", 200, "9", ""},
	} {
		a := call(t, "POST", base, "/v1/kv/"+c.path, "")
		var got struct{ Key, Version, Value string }
		if err := json.Unmarshal([]byte(a.body), &got); err != nil || a.StatusCode != c.status || got.Value != c.value || a.Header.Get("ETag") != quoted(got.Version) {
			t.Errorf("POST %s: %d %s, %v; want %d and the value %s", c.path, a.StatusCode, a.body, err, c.status, c.value)
		}
	}
	call(t, "GET", base, "/v1/kv/n", "").is(t, 200, "-2")
	call(t, "GET", base, "/v1/kv/m", "").is(t, 200, "9")
	now := tagOf(t, base, "n")
	call(t, "POST", base, "/v1/kv/n?add=1", "", "If-None-Match: *").problem(t, 412, "precondition-failed")
	call(t, "POST", base, "/v1/kv/n?add=1", "", "If-Match: "+quoted("other")).problem(t, 412, "precondition-failed")
	if a := call(t, "POST", base, "/v1/kv/n?add=1", "", "If-Match: "+now); a.StatusCode != 200 {
		t.Errorf("with the version that is there: %d %s", a.StatusCode, a.body)
	}
}

// TestIncrementsAllCount has many clients add at the same time.
func TestIncrementsAllCount(t *testing.T) {
	_, base := serve(t, nil)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 10 {
				for call(t, "POST", base, "/v1/kv/n?add=1", "").StatusCode == 412 {
				}
			}
		})
	}
	wg.Wait()
	call(t, "GET", base, "/v1/kv/n", "").is(t, 200, "40")
}

func TestNumbersThatAreNone(t *testing.T) {
	mem, base := serve(t, nil)
	put(t, mem, "bytes", []byte("5"))
	call(t, "POST", base, "/v1/kv/n", "").problem(t, 405, "bad-request")
	for _, bad := range []string{"?add=1&observe=2", "?add=", "?add=1.5", "?add=one", "?observe=99999999999999999999", "?add=1&ttl=never", "?add=1&field=x", "?add=1&add=2"} {
		call(t, "POST", base, "/v1/kv/n"+bad, "").problem(t, 400, "bad-request")
	}
	call(t, "POST", base, "/v1/kv/n?add=1", "1").problem(t, 400, "bad-request")
	for _, path := range []string{"bytes?add=1", "bytes?observe=1"} {
		p := call(t, "POST", base, "/v1/kv/"+path, "").problem(t, 409, "type")
		if p["codec"] != "bytes" || !strings.Contains(p["detail"].(string), "is of a ") {
			t.Errorf("POST %s: %v", path, p)
		}
	}
	call(t, "GET", base, "/v1/kv/n", "").problem(t, 404, "not-found")
	call(t, "GET", base, "/v1/kv/bytes", "").is(t, 200, "5")
}

func TestNumberWithTTL(t *testing.T) {
	mem, base := serve(t, nil)
	call(t, "POST", base, "/v1/kv/n?add=2&ttl=1h", "")
	if e, _, err := mem.Entry(t.Context(), "n"); time.Until(e.Expires) < 59*time.Minute || e.Codec != "counter" {
		t.Errorf("got %+v, %v", e, err)
	}
}
