package kvtest

import (
	"errors"
	"slices"
	"strings"

	"github.com/starlingkv/starling/kv"
)

var mediaChecks = []check{
	{name: "MediaKept", sentence: "The media type of a Put comes back in Entry, Entries and Events; a CAS keeps it, and a Put without one takes it away.", run: mediaKept},
	{name: "MediaRefused", sentence: "What is no media type is ErrUnsupported, and so is every one to a store without them; nothing is written.", run: mediaRefused},
}

// wantMedia fails the check unless the value of key is told with this media type by all who tell of it.
func (e *env) wantMedia(key, want string) {
	e.Helper()
	if got := e.entry(key).Media; got != want {
		e.Fatalf("Entry(%q) has the media type %q, want %q", key, got, want)
	}
	for en, err := range e.versioned().Entries(e.ctx(), key, "") {
		if err != nil || en.Media != want {
			e.Fatalf("Entries(%q) has the media type %q, %v; want %q", key, en.Media, err, want)
		}
	}
	for ev, err := range as[kv.Watcher](e, e.c).Events(e.ctx(), key) {
		if ev.Kind == kv.Synced {
			break
		}
		if err != nil || ev.Media != want {
			e.Fatalf("Events(%q) tells the media type %q, %v; want %q", key, ev.Media, err, want)
		}
	}
}

func mediaKept(e *env) {
	if !e.capabilities().Media {
		return
	}
	const page, long = `text/html; charset="utf-8"`, "application/vnd.kvtest+json"
	e.putAt("k", "one", kv.Media(page))
	e.wantMedia("k", page)
	e.putAt("k", "two", kv.Media(long))
	e.wantMedia("k", long)
	e.casTo("k", &doc{Text: "three"})
	e.wantMedia("k", long)
	widest := "a/" + strings.Repeat("b", kv.MaxMedia-2)
	e.putAt("k", "three", kv.Media(widest))
	e.wantMedia("k", widest)
	e.putAt("k", "three")
	e.wantMedia("k", "")
	e.putAt("k", "four", kv.Media(page))
	e.delete("k")
	e.put("k", "five")
	e.wantMedia("k", "")
}

func mediaRefused(e *env) {
	e.put("k", "one")
	bad := []string{"text", "text/", "text/plain\r\nX: y", "text/plain; x=\x00", "a/" + strings.Repeat("b", kv.MaxMedia)}
	if !e.capabilities().Media {
		bad = slices.Concat(bad, []string{"text/plain"})
	}
	for _, m := range bad {
		if _, err := e.versioned().Put(e.ctx(), "k", &doc{Text: "two"}, kv.Media(m)); !errors.Is(err, kv.ErrUnsupported) {
			e.Fatalf("Put with the media type %.40q = %v, want ErrUnsupported", m, err)
		}
	}
	e.want("k", "one")
}
