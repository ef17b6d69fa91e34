package web

import (
	"os"
	"strings"
	"testing"
)

// TestEveryRouteIsOnItsPage holds docs/http.md to the routes and the parameters that are served.
func TestEveryRouteIsOnItsPage(t *testing.T) {
	text, err := os.ReadFile("../docs/http.md")
	if err != nil {
		t.Fatal(err)
	}
	wanted := []string{
		keyPath + "hello", memberPath + "n1", "?ttl=", "?field=", "?add=", "?observe=", "prefix=", "limit=", "values=", "delimiter=", "`after`", "watch?key=", "&field=", "watch?prefix=&values=", "?verbose",
		"Starling-Codec", "Starling-Origin", "Starling-Updated", "Starling-Expires", "Starling-Consistency", "Starling-Require",
		"If-Match", "If-None-Match", "Last-Event-ID", EnvelopeType, ndjsonType,
	}
	for path, at := range new(Handler).routes() {
		wanted = append(wanted, "$A"+path)
		for _, method := range at.methods {
			if method == "POST" {
				wanted = append(wanted, "POST "+`"$A`+path)
			}
		}
	}
	for _, want := range wanted {
		if !strings.Contains(string(text), want) {
			t.Errorf("docs/http.md does not tell of %s", want)
		}
	}
}
