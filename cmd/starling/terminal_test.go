package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/starlingkv/starling"
	"github.com/starlingkv/starling/crdt"
	"github.com/starlingkv/starling/kv"
)

// terminal is a verb of the binary that runs on a real terminal.
type terminal struct {
	keyboard *os.File
	cmd      *exec.Cmd

	mu     sync.Mutex // guards what follows
	screen bytes.Buffer
	news   chan struct{} // closed and made anew with every word
	gone   chan struct{} // closed when the verb has ended
}

// onTerminal starts a verb. What stdin is nil for comes from the keyboard.
func onTerminal(t *testing.T, stdin io.Reader, env []string, args ...string) *terminal {
	t.Helper()
	keyboard, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	x := &terminal{keyboard: keyboard, news: make(chan struct{}), gone: make(chan struct{})}
	x.cmd = exec.CommandContext(t.Context(), binary(t), args...)
	x.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "TERM=xterm"}, env...)
	x.cmd.Stdin, x.cmd.Stdout, x.cmd.Stderr = stdin, tty, tty
	if stdin == nil {
		x.cmd.Stdin = tty
		x.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	}
	if err := x.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	tty.Close()
	go x.look()
	t.Cleanup(func() {
		_ = x.cmd.Process.Kill()
		<-x.gone
		keyboard.Close()
	})
	return x
}

// look reads the screen to the end of the verb, and waits for that.
func (x *terminal) look() {
	b := make([]byte, 4096)
	for {
		n, err := x.keyboard.Read(b)
		x.mu.Lock()
		x.screen.Write(b[:n])
		close(x.news)
		x.news = make(chan struct{})
		x.mu.Unlock()
		if err != nil { // nobody has the terminal open any more
			_ = x.cmd.Wait()
			close(x.gone)
			return
		}
	}
}

// awaits waits until a text stands on the screen.
func (x *terminal) awaits(t *testing.T, text string) {
	t.Helper()
	overdue := time.After(20 * time.Second)
	for {
		x.mu.Lock()
		screen, news := x.screen.String(), x.news
		x.mu.Unlock()
		if strings.Contains(screen, text) {
			return
		}
		select {
		case <-news:
		case <-x.gone:
			t.Fatalf("%q ended, and the screen shows no %q: %q", x.cmd.Args[1:], text, x.shows())
		case <-overdue:
			t.Fatalf("%q: the screen shows no %q: %q", x.cmd.Args[1:], text, screen)
		}
	}
}

// types presses keys.
func (x *terminal) types(t *testing.T, keys string) {
	t.Helper()
	if _, err := io.WriteString(x.keyboard, keys); err != nil {
		t.Fatal(err)
	}
}

// ends waits for the end of the verb and returns what stands on the screen, with \n for the terminal's \r\n.
func (x *terminal) ends(t *testing.T, code int) string {
	t.Helper()
	select {
	case <-x.gone:
	case <-time.After(20 * time.Second):
		t.Fatalf("%q does not end: %q", x.cmd.Args[1:], x.shows())
	}
	if got := x.cmd.ProcessState.ExitCode(); got != code {
		t.Errorf("%q: exit code %d, want %d: %q", x.cmd.Args[1:], got, code, x.shows())
	}
	return x.shows()
}

func (x *terminal) shows() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return strings.ReplaceAll(x.screen.String(), "\r\n", "\n")
}

// stocked is a node with a few keys.
func stocked(t *testing.T) (*starling.Client, []string) {
	t.Helper()
	n := open(t, starling.Options{Name: "n1"})
	c := n.node.Client(crdt.Register(kv.Bytes))
	for key, value := range map[string]string{"a/1": "one", "a/2": "two", "line": "one\n", "bell": "\x1b]0;owned\a"} {
		if _, err := c.Put(t.Context(), key, []byte(value)); err != nil {
			t.Fatal(err)
		}
	}
	return c, []string{"STARLING_ADDR=" + n.url}
}

// TestTerminalFormats shows the same verbs on a terminal and in a pipe: for people there, as bytes and lines of JSON here.
func TestTerminalFormats(t *testing.T) {
	_, env := stocked(t)
	addr := strings.TrimPrefix(env[0], "STARLING_ADDR=")
	const put = "\x1b[32mput\x1b[0m     "
	for _, c := range []struct {
		line, tty, pipe string
		env             []string
	}{
		{line: "get a/1", tty: "one\n", pipe: "one"},
		{line: "get line", tty: "one\n", pipe: "one\n"},
		{line: "get a/1 -o raw", tty: "one\n", pipe: "one"},
		{line: "ls a/", tty: "a/1\na/2\n", pipe: "a/1\na/2\n"},
		{line: "watch a/1 --once", tty: put + "a/1  one\n", pipe: `{"event":"put","key":"a/1",`},
		{line: "watch a/1 --once -o table", tty: put + "a/1  one\n", pipe: "put     a/1  one\n"},
		{line: "watch a/1 --once -o jsonl", tty: `{"event":"put","key":"a/1",`, pipe: `{"event":"put","key":"a/1",`},
		{line: "watch a/1 --once", tty: "put     a/1  one\n", pipe: `{"event":"put"`, env: []string{"NO_COLOR=1"}},
		{line: "watch a/1 --once", tty: "put     a/1  one\n", pipe: `{"event":"put"`, env: []string{"TERM=dumb"}},
		{line: "watch a/1 --once", tty: put + "a/1  one\n", pipe: `{"event":"put"`, env: []string{"NO_COLOR="}},
		{line: "watch bell --once", tty: put + `bell  "\x1b]0;owned\a"` + "\n", pipe: `{"event":"put","key":"bell",`},
		{line: "check", tty: "\x1b[32mOK\x1b[0m n1: 1 of 1 agree\n", pipe: "OK n1: 1 of 1 agree\n"},
		{line: "check", tty: "OK n1: 1 of 1 agree\n", pipe: "OK n1: 1 of 1 agree\n", env: []string{"NO_COLOR=1"}},
	} {
		args := strings.Fields(c.line)
		if got := onTerminal(t, nil, append(env, c.env...), args...).ends(t, exitOK); !begins(got, c.tty) {
			t.Errorf("%s %q on a terminal shows %q, want %q", c.line, c.env, got, c.tty)
		}
		if got, talk, code := verb(t, nil, append(args, "--addr", addr)...); code != exitOK || !begins(got, c.pipe) {
			t.Errorf("%s in a pipe prints %q, want %q; exit code %d, %s", c.line, got, c.pipe, code, talk)
		}
	}
}

// begins reports whether got is want, or begins with it if that is no whole line.
func begins(got, want string) bool {
	return got == want || strings.HasPrefix(want, "{") && strings.HasPrefix(got, want)
}

// TestTerminalIsAsked answers what del --prefix asks. Where nobody can be asked it deletes nothing.
func TestTerminalIsAsked(t *testing.T) {
	c, env := stocked(t)
	there := func(want int) {
		t.Helper()
		if keys, err := c.List(t.Context(), "a/"); err != nil || len(keys) != want {
			t.Errorf("%d keys are there, want %d: %v", len(keys), want, err)
		}
	}
	const question = `delete 2 keys with the prefix "a/"? [y/N] `
	for _, answer := range []string{"n\r", "\r", "\x04"} {
		x := onTerminal(t, nil, env, "del", "--prefix", "a/")
		x.awaits(t, question)
		x.types(t, answer)
		x.ends(t, exitError)
		there(2)
	}
	if _, talk, code := verb(t, strings.NewReader("y\n"), "del", "--prefix", "a/", "--addr", "http://127.0.0.1:1"); code != exitUsage || !strings.Contains(talk, "--yes") {
		t.Errorf("in a pipe: exit code %d, %s", code, talk)
	}
	onTerminal(t, strings.NewReader("y\n"), env, "del", "--prefix", "a/").ends(t, exitUsage)
	there(2)
	x := onTerminal(t, nil, env, "del", "--prefix", "a/")
	x.awaits(t, question)
	x.types(t, "y\r")
	x.ends(t, exitOK)
	there(0)
}

// TestTerminalIsTheEditors edits with an editor that wants a terminal for all three of its files.
func TestTerminalIsTheEditors(t *testing.T) {
	c, env := stocked(t)
	editor := filepath.Join(t.TempDir(), "editor")
	script := "#!/bin/sh\ntest -t 0 && test -t 1 && test -t 2 || exit 1\nprintf 'new text: '\nread text\nprintf %s \"$text\" >\"$1\"\n"
	if err := os.WriteFile(editor, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	x := onTerminal(t, nil, append(env, "EDITOR="+editor), "edit", "a/1")
	x.awaits(t, "new text: ")
	x.types(t, "edited\r")
	x.ends(t, exitOK)
	if v, err := c.Get(t.Context(), "a/1"); err != nil || string(v.([]byte)) != "edited" {
		t.Errorf("got %q, %v", v, err)
	}
}

// TestTerminalProgress writes over one line on a terminal, and a line each time elsewhere.
func TestTerminalProgress(t *testing.T) {
	_, env := stocked(t)
	in, feed := io.Pipe()
	x := onTerminal(t, in, env, "import")
	fmt.Fprintln(feed, `{"key":"p/1","value":"x"}`)
	x.awaits(t, "importing: 1 keys, 0.0 MB in ")
	feed.Close()
	if got := x.ends(t, exitOK); !strings.Contains(got, "\r\x1b[Kimported 1 keys") || strings.Contains(got, "\nimport") {
		t.Errorf("the screen shows %q", got)
	}
}

// TestTerminalInterrupts presses Ctrl-C in a watch: it ends, and that is no error.
func TestTerminalInterrupts(t *testing.T) {
	_, env := stocked(t)
	x := onTerminal(t, nil, env, "watch", "--prefix", "a/")
	x.awaits(t, "a/2  two")
	x.types(t, "\x03")
	x.ends(t, exitOK)
}
