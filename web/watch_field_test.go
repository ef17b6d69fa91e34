package web_test

import (
	"strings"
	"testing"
)

// TestWatchWithoutValues tells what happens and not what is stored.
func TestWatchWithoutValues(t *testing.T) {
	_, base := serve(t, nil)
	call(t, "PUT", base, "/v1/kv/m?field=a", "1", flags)
	s := follow(t, base, "key=m&values=false")
	if name, data := s.next(); name != "put" || strings.Contains(data, `"value`) || !strings.Contains(data, `"codec":"map.flag"`) {
		t.Errorf("told %s %s, want a put without a value", name, data)
	}
	s.want("sync")
	call(t, "PUT", base, "/v1/kv/m?field=a", "2")
	if name, data := s.next(); name != "put" || strings.Contains(data, `"value`) {
		t.Errorf("told %s %s, want a put without a value", name, data)
	}
	call(t, "DELETE", base, "/v1/kv/m", "")
	s.want("delete", `"key":"m"`)
}

// TestWatchOfAField tells of that field only.
func TestWatchOfAField(t *testing.T) {
	_, base := serve(t, nil)
	s := follow(t, base, "key=m&field=a")
	s.want("sync")
	call(t, "PUT", base, "/v1/kv/m?field=b", "other", flags)
	call(t, "PUT", base, "/v1/kv/m?field=a", `{"on":true}`)
	version := tagOf(t, base, "m")
	s.want("put", `"key":"m"`, `"field":"a"`, `"value":"{\"on\":true}"`, `"size":11`, `"version":`+version)
	call(t, "PUT", base, "/v1/kv/m?field=b", "again")
	call(t, "DELETE", base, "/v1/kv/m?field=a", "")
	s.want("delete", `"key":"m"`, `"field":"a"`)
	call(t, "DELETE", base, "/v1/kv/m?field=b", "")
	call(t, "PUT", base, "/v1/kv/m?field=a", "2", flags)
	s.want("put", `"value":"2"`)
	call(t, "DELETE", base, "/v1/kv/m", "")
	s.want("delete", `"field":"a"`)
	call(t, "PUT", base, "/v1/kv/m", "5", "Starling-Codec: counter")
	call(t, "DELETE", base, "/v1/kv/m", "")
	call(t, "PUT", base, "/v1/kv/m?field=a", "3", flags)
	s.want("put", `"value":"3"`)
}

// TestWatchOfAFieldGoesOn where its client was: another selection of the same key is another watch.
func TestWatchOfAFieldGoesOn(t *testing.T) {
	_, base := serve(t, nil)
	call(t, "PUT", base, "/v1/kv/m?field=a", "1", flags)
	s := follow(t, base, "key=m&field=a")
	s.want("put", `"value":"1"`)
	s.want("sync")
	id := s.lastID()
	s.stop()
	call(t, "PUT", base, "/v1/kv/m?field=a", "2")
	again := follow(t, base, "key=m&field=a", "Last-Event-ID: "+id)
	again.want("put", `"field":"a"`, `"value":"2"`)
	id = again.lastID()
	again.stop()
	for _, query := range []string{"key=m&field=b", "key=m", "key=m&values=false"} {
		other := follow(t, base, query, "Last-Event-ID: "+id)
		other.want("reset")
		other.stop()
	}
}

func TestWatchRefusesOddFields(t *testing.T) {
	_, base := serve(t, nil)
	call(t, "PUT", base, "/v1/kv/plain", "text")
	for query, status := range map[string]int{
		"field=a": 400, "prefix=m&field=a": 400, "key=m&field=": 400, "key=m&field=a&values=false": 400, "key=m&values=perhaps": 400,
	} {
		call(t, "GET", base, "/v1/watch?"+query, "").problem(t, status, "bad-request")
	}
	call(t, "GET", base, "/v1/watch?key=plain&field=a", "").problem(t, 409, "type")
}
