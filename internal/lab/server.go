package lab

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// readyWithin bounds how long a server may take to be ready.
const readyWithin = 30 * time.Second

// askAgain is how often a server is asked whether it is ready, and how long a taken port is left alone.
const askAgain = 20 * time.Millisecond

// Program is what a server runs.
type Program struct {
	Name  string // in errors
	Path  string // of the executable
	Args  []string
	Ready func() error // says why it is not ready; nil: the program prints the line "ready" when it is
}

// Server is a program in a process of its own. It is safe for concurrent use.
type Server struct {
	t       testing.TB
	ports   []int
	program Program

	mu   sync.Mutex // guards life
	life *life      // nil: down
}

// life is one run of the program.
type life struct {
	cmd   *exec.Cmd
	stdin io.Closer     // open until the end: the program may end when it is not
	talk  string        // file of what it says
	ready chan struct{} // closed when it has said so
	ended chan struct{} // closed when the process is no more
}

// errTaken is the end of a server that did not get its port.
var errTaken = errors.New("a port is taken")

// Port returns the ith port.
func (s *Server) Port(i int) int { return s.ports[i] }

// Running reports whether the server was started and not killed since.
func (s *Server) Running() bool { return s.now() != nil }

// PID is that of the process, 0 while the server is down.
func (s *Server) PID() int {
	if l := s.now(); l != nil {
		return l.cmd.Process.Pid
	}
	return 0
}

func (s *Server) now() *life {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.life
}

// Kill kills the process if there is one, as a machine does that loses its power: nobody is told.
func (s *Server) Kill() {
	s.mu.Lock()
	l := s.life
	s.life = nil
	s.mu.Unlock()
	if l == nil {
		return
	}
	_ = l.cmd.Process.Kill() // or it has ended already
	<-l.ended
}

// Restart starts the server, with the ports and the files that it has, and waits until it is ready. That it cannot fails
// the test, but does not end it: so any goroutine may call it.
func (s *Server) Restart() {
	s.t.Helper()
	limit := time.NewTimer(readyWithin)
	defer limit.Stop()
	for {
		err := startAll([]*Server{s})
		if err == nil {
			return
		}
		s.Kill()
		if !errors.Is(err, errTaken) {
			s.t.Error(err)
			return
		}
		again := time.NewTimer(askAgain)
		select {
		case <-again.C:
		case <-limit.C:
			s.t.Error(err)
			return
		}
	}
}

// launch starts the process.
func (s *Server) launch() error {
	l := &life{ready: make(chan struct{}), ended: make(chan struct{}), talk: filepath.Join(s.t.TempDir(), "talk")}
	talk, err := os.Create(l.talk)
	if err != nil {
		return err
	}
	l.cmd = exec.Command(s.program.Path, s.program.Args...)
	l.cmd.Stderr = talk
	l.cmd.SysProcAttr = withParent()
	var said io.Reader
	if l.stdin, err = l.cmd.StdinPipe(); err == nil {
		said, err = l.cmd.StdoutPipe()
	}
	if err == nil {
		err = l.cmd.Start()
	}
	if err != nil {
		return errors.Join(fmt.Errorf("%s: %w", s.program.Name, err), talk.Close())
	}
	s.mu.Lock()
	s.life = l
	s.mu.Unlock()
	go l.run(said, talk)
	return nil
}

// run listens to the process until it ends.
func (l *life) run(said io.Reader, talk *os.File) {
	defer close(l.ended)
	defer talk.Close()
	lines := bufio.NewReader(said)
	for line, err := lines.ReadString('\n'); err == nil; line, err = lines.ReadString('\n') {
		if line == "ready\n" {
			close(l.ready)
			break
		}
		_, _ = talk.WriteString(line) // less to tell if it fails
	}
	_, _ = io.Copy(talk, lines)
	_ = l.cmd.Wait() // it says that it was killed
	_ = l.stdin.Close()
}

// await waits until the server is ready.
func (s *Server) await() error {
	l := s.now()
	if l == nil {
		return fmt.Errorf("%s was killed while it started", s.program.Name)
	}
	ask := time.NewTicker(askAgain)
	defer ask.Stop()
	limit := time.NewTimer(readyWithin)
	defer limit.Stop()
	why := errors.New("it does not say so")
	for {
		if s.program.Ready != nil {
			if why = s.program.Ready(); why == nil {
				return nil
			}
		}
		select {
		case <-l.ready:
			return nil
		case <-l.ended:
			return s.failed(l)
		case <-limit.C:
			return fmt.Errorf("%s is not ready after %v: %w", s.program.Name, readyWithin, why)
		case <-ask.C:
		}
	}
}

// failed is why a server ended that was to start.
func (s *Server) failed(l *life) error {
	talk, _ := os.ReadFile(l.talk) // without it the end itself is told
	err := fmt.Errorf("%s has ended: %s", s.program.Name, talk)
	if strings.Contains(string(talk), "address already in use") {
		return fmt.Errorf("%w: %w", errTaken, err)
	}
	return err
}
