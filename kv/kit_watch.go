package kv

import (
	"context"
	"errors"
	"iter"
	"log/slog"
)

// TellKey tells f of one key what WatchKey promises, from the events of that key; events of other keys are skipped.
func (k *Kit) TellKey(key string, events iter.Seq2[Event, error], f func(any) bool) {
	t := teller{key: key}
	for ev, err := range events {
		switch {
		case err != nil && ev.Key == "":
			k.ended(key, err)
			return
		case err != nil:
			k.undecodable(ev, err)
			t.lost()
		default:
			k.decodes(ev.Key)
			if v, tell := t.next(ev); tell && !f(v) {
				return
			}
		}
	}
}

// teller decides what of the events of one key is news to its watcher.
type teller struct {
	key     string
	present bool   // by the last event
	version string // the one told last, "" if none
	asOld   bool   // present and version are of before a Reset
}

// lost notes that the key has a value that cannot be told.
func (t *teller) lost() { t.present, t.version, t.asOld = true, "", false }

// next returns what to tell after the event, and whether to tell anything.
func (t *teller) next(ev Event) (v any, tell bool) {
	switch {
	case ev.Kind == Reset:
		t.asOld = true
	case ev.Kind == Synced && t.asOld:
		// Nothing was told of the key since the Reset, so it is gone.
		tell = t.present
		t.present, t.version, t.asOld = false, "", false
	case ev.Key != t.key:
	case ev.Kind == Delete:
		t.present, t.version, t.asOld = false, "", false
		tell = true
	case ev.Kind == Put:
		tell = !t.asOld || t.version == "" || t.version != ev.Version
		t.present, t.version, t.asOld = true, ev.Version, false
		v = ev.Value
	}
	return v, tell
}

// TellPrefix tells f what WatchPrefix promises, from the events of the prefix. After a Reset every value is told again.
func (k *Kit) TellPrefix(prefix string, events iter.Seq2[Event, error], f func(string, any) bool) {
	for ev, err := range events {
		switch {
		case err != nil && ev.Key == "":
			k.ended(prefix, err)
			return
		case err != nil:
			k.undecodable(ev, err)
		case ev.Kind == Delete:
			k.decodes(ev.Key)
		case ev.Kind == Put:
			k.decodes(ev.Key)
			if !f(ev.Key, ev.Value) {
				return
			}
		}
	}
}

// ended logs why a watch ended, if neither its caller nor the store's owner wanted it: its caller gets no error.
func (k *Kit) ended(key string, err error) {
	for _, wanted := range []error{ErrClosed, context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, wanted) {
			return
		}
	}
	k.log().Warn("watch ended", "key", key, "err", err)
}

// undecodable counts and logs a value once per version, whichever watch meets it first.
func (k *Kit) undecodable(ev Event, err error) {
	k.mu.Lock()
	last, known := k.bad[ev.Key]
	if k.bad == nil || !known && len(k.bad) >= maxBad {
		k.bad = make(map[string]string)
	}
	k.bad[ev.Key] = ev.Version
	k.mu.Unlock()
	if known && last == ev.Version {
		return
	}
	k.decodeErrors.Add(1)
	k.log().Warn("value does not decode", "key", ev.Key, "version", ev.Version, "codec", ev.Codec, "err", err)
}

// decodes forgets that the key did not.
func (k *Kit) decodes(key string) {
	if k.decodeErrors.Load() == 0 {
		return // all but always: no lock
	}
	k.mu.Lock()
	delete(k.bad, key)
	k.mu.Unlock()
}

func (k *Kit) log() *slog.Logger {
	if k.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return k.Log
}
