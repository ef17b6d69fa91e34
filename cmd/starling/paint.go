package main

import (
	"io"
	"strings"
)

// colour is how a word stands out on a terminal. The word says the same without it.
type colour string

const (
	red    colour = "31" // look here
	green  colour = "32" // all is well
	yellow colour = "33" // something went
)

// paint colours a word for people: on a terminal that can, unless NO_COLOR asks for none.
func (p *program) paint(c colour, word string) string {
	if !p.tty || p.getenv("NO_COLOR") != "" || p.getenv("TERM") == "dumb" {
		return word
	}
	return "\x1b[" + string(c) + "m" + word + "\x1b[0m"
}

// statusLine is one line of talk that says how far something is: written over on a terminal, a new line each time elsewhere.
type statusLine struct {
	out     io.Writer
	tty     bool
	showing bool // the line stands there
}

// show says how far it is.
func (s *statusLine) show(text string) {
	if !s.tty {
		_, _ = io.WriteString(s.out, text+"\n")
		return
	}
	s.clear()
	_, _ = io.WriteString(s.out, strings.ReplaceAll(text, "\n", " "))
	s.showing = true
}

// clear takes the line away, for what is said in the end.
func (s *statusLine) clear() {
	if s.showing {
		_, _ = io.WriteString(s.out, "\r\x1b[K")
		s.showing = false
	}
}
