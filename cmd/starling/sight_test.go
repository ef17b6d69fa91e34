package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/httpkv"
)

// sight is what a watcher has seen: it is complete when it has seen exactly what is wanted.
type sight struct {
	want         map[string][]byte
	right, other map[string]bool // keys seen with the wanted value last, and with another one
	complete     chan struct{}
	once         sync.Once
}

func newSight(want map[string][]byte) *sight {
	return &sight{want: want, right: map[string]bool{}, other: map[string]bool{}, complete: make(chan struct{})}
}

// put and delete tell of an event; they are called by one goroutine.
func (s *sight) put(key string, value []byte) {
	w, known := s.want[key]
	if known && bytes.Equal(w, value) {
		s.right[key] = true
		delete(s.other, key)
	} else {
		s.other[key] = true
		delete(s.right, key)
	}
	s.look()
}

func (s *sight) delete(key string) {
	delete(s.right, key)
	delete(s.other, key)
	s.look()
}

func (s *sight) look() {
	if len(s.right) == len(s.want) && len(s.other) == 0 {
		s.once.Do(func() { close(s.complete) })
	}
}

// wait waits until the watcher has seen everything.
func (s *sight) wait(t *testing.T, otherwise string) {
	t.Helper()
	select {
	case <-s.complete:
	case <-time.After(2 * time.Minute):
		t.Fatal(otherwise)
	}
}

// watchByBinary watches all keys of a process with "starling watch".
func watchByBinary(t *testing.T, n *process, want map[string][]byte) *sight {
	t.Helper()
	s := newSight(want)
	cmd := exec.CommandContext(t.Context(), binary(t), "watch", "--prefix", "", "-o", "jsonl", "--addr", n.HTTP)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	synced, ended := make(chan struct{}), make(chan struct{})
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
	})
	go func() {
		defer close(ended)
		in := bufio.NewReader(out)
		for {
			b, err := in.ReadBytes('\n')
			var e record
			if err != nil || json.Unmarshal(b, &e) != nil {
				_, _ = io.Copy(io.Discard, in)
				_ = cmd.Wait()
				return
			}
			switch {
			case e.Event == "sync":
				close(synced) // once: nothing breaks this stream
			case e.Event == "delete":
				s.delete(e.Key)
			case e.Value != nil:
				s.put(e.Key, []byte(*e.Value))
			case e.ValueBase64 != nil:
				s.put(e.Key, *e.ValueBase64)
			}
		}
	}()
	select {
	case <-synced:
	case <-time.After(30 * time.Second):
		t.Fatal("the watch does not begin")
	}
	return s
}

// watchByClient watches all keys of a process through its API.
func watchByClient(t *testing.T, c *httpkv.Client, want map[string][]byte) *sight {
	t.Helper()
	s := newSight(want)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	go func() {
		defer close(ended)
		for ev, err := range c.Events(ctx, "") {
			switch {
			case err != nil:
				return
			case ev.Kind == kv.Put:
				s.put(ev.Key, ev.Value.([]byte))
			case ev.Kind == kv.Delete:
				s.delete(ev.Key)
			}
		}
	}()
	return s
}
