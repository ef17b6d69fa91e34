package web

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"
)

// A form is how events are written.
type form interface {
	media() string
	// open appends what a stream begins with.
	open(b *bytes.Buffer)
	// event appends one event.
	event(b *bytes.Buffer, e event)
	// alive appends what says that the stream lives.
	alive(b *bytes.Buffer)
}

// formOf is the form that the client asks for: server-sent events, or lines of JSON.
func formOf(r *http.Request) form {
	if accepts(r, ndjsonType) {
		return ndjson{}
	}
	return sse{}
}

// sse is server-sent events, as browsers read them.
type sse struct{}

func (sse) media() string { return "text/event-stream" }

func (sse) open(b *bytes.Buffer) { b.WriteString("retry: " + strconv.Itoa(retryAfter) + "\n\n") }

// event has its data on one line, as JSON has no line breaks of its own.
func (sse) event(b *bytes.Buffer, e event) {
	b.WriteString("id: " + e.id + "\nevent: " + e.name + "\ndata: ")
	if e.data == nil {
		b.WriteString("{}")
	}
	b.Write(e.data)
	b.WriteString("\n\n")
}

func (sse) alive(b *bytes.Buffer) { b.WriteString(": keepalive\n\n") }

const ndjsonType = "application/x-ndjson"

// ndjson is one JSON document per line. An empty line says that the stream lives.
type ndjson struct{}

func (ndjson) media() string { return ndjsonType }

func (ndjson) open(*bytes.Buffer) {}

func (ndjson) event(b *bytes.Buffer, e event) {
	head := jsonOf(eventHead{ID: e.id, Event: e.name})
	b.Write(head)
	if e.data != nil { // both are objects, and neither is empty: one of them is made
		b.Truncate(b.Len() - 1)
		b.WriteByte(',')
		b.Write(e.data[1:])
	}
	b.WriteByte('\n')
}

// jsonOf is one of our own types as JSON on one line.
func jsonOf(v any) []byte {
	var b bytes.Buffer
	_ = encoder(&b).Encode(v)
	return bytes.TrimRight(b.Bytes(), "\n")
}

// eventHead is what a line says of the event itself.
type eventHead struct {
	ID    string `json:"id"`
	Event string `json:"event"`
}

func (ndjson) alive(b *bytes.Buffer) { b.WriteByte('\n') }

// stream writes events to one client.
type stream struct {
	out     io.Writer
	control *http.ResponseController
	form    form
	stall   time.Duration
	buf     bytes.Buffer
}

// flush writes what is pending, each chunk against a deadline of its own. The deadline of the whole answer, which a
// server may have, would end every watch.
func (s *stream) flush() error {
	defer s.reset()
	for s.buf.Len() > 0 {
		if err := s.control.SetWriteDeadline(time.Now().Add(s.stall)); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return err
		}
		if _, err := s.out.Write(s.buf.Next(chunk)); err != nil {
			return err
		}
		if err := s.control.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// reset forgets the buffer of an uncommonly large value.
func (s *stream) reset() {
	if s.buf.Cap() > 16*chunk {
		s.buf = bytes.Buffer{}
		return
	}
	s.buf.Reset()
}
