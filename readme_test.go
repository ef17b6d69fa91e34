package starling_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// Every block of the README is run, and must print what stands there. A block of the language console is a session:
// lines that begin with "$ " are commands, what follows them is what they print, to stdout and stderr. The command
// starling dev, and a watch without --once, run beside the commands that follow. A block of Go is a program, and the
// block of text behind it is what it prints. In what is printed "…" stands for any text of a line, and for any number
// of lines if it stands alone.

// readmeLimit is how long any one thing may take.
const readmeLimit = 2 * time.Minute

func TestReadme(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := fencedBlocks(string(text))
	s := newReadmeSession(t)
	commands, programs := 0, 0
	for i, b := range blocks {
		switch b.language {
		case "console":
			for _, c := range consoleCommands(b.text) {
				commands++
				s.run(c)
			}
		case "go":
			programs++
			if i+1 == len(blocks) || blocks[i+1].language != "text" {
				t.Fatalf("the program %d has no block of text behind it", programs)
			}
			s.program(b.text, blocks[i+1].text)
		case "text":
			if i == 0 || blocks[i-1].language != "go" {
				t.Errorf("a block of text that is not the output of a program: %q", b.text)
			}
		default:
			t.Errorf("nothing runs a block of %q: %q", b.language, b.text)
		}
	}
	s.end()
	if commands < 5 || programs < 1 {
		t.Errorf("ran %d commands and %d programs: blocks are not found", commands, programs)
	}
}

// TestReadmeExample holds the compiled example to the program of the README.
func TestReadmeExample(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	example, err := os.ReadFile("readme_example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, program, _ := strings.Cut(string(readme), "func main() {\n")
	program, _, _ = strings.Cut(program, "\n}\n")
	if program == "" || !strings.Contains(string(example), "func Example() {\n"+program+"\n\t// Output:") {
		t.Errorf("the example is not the program of the README:\n%s", program)
	}
}

// fenced is a block between lines of three backticks.
type fenced struct{ language, text string }

func fencedBlocks(doc string) []fenced {
	var blocks []fenced
	for _, match := range regexp.MustCompile("(?ms)^```(\\w*)\n(.*?)^```$").FindAllStringSubmatch(doc, -1) {
		blocks = append(blocks, fenced{language: match[1], text: match[2]})
	}
	return blocks
}

// consoleCommand is a command and what it prints.
type consoleCommand struct{ line, prints string }

func consoleCommands(text string) []consoleCommand {
	var commands []consoleCommand
	for line := range strings.Lines(text) {
		if command, ok := strings.CutPrefix(line, "$ "); ok {
			commands = append(commands, consoleCommand{line: strings.TrimSpace(command)})
		} else if len(commands) > 0 {
			commands[len(commands)-1].prints += line
		}
	}
	return commands
}

// printsAs turns what a document shows into what an output must match.
func printsAs(shown string) *regexp.Regexp {
	var pattern strings.Builder
	pattern.WriteString(`\A`)
	for line := range strings.Lines(strings.TrimRight(shown, "\n") + "\n") {
		if line = strings.TrimRight(line, "\n"); line == "…" {
			pattern.WriteString(`(?:.*\n)*?`)
			continue
		}
		parts := strings.Split(line, "…")
		for i := range parts {
			parts[i] = regexp.QuoteMeta(parts[i])
		}
		pattern.WriteString(strings.Join(parts, ".+") + `\n`)
	}
	return regexp.MustCompile(pattern.String() + `\z`)
}

func matchesShown(output, shown string) bool {
	return printsAs(shown).MatchString(strings.TrimRight(output, "\n") + "\n")
}

func TestPrintsAs(t *testing.T) {
	for _, c := range []struct {
		shown, output string
		want          bool
	}{
		{"hello\n", "hello", true},
		{"hello\n", "hello\n", true},
		{"hello\n", "hello!", false},
		{"hello\n", "oh hello", false},
		{"hello\n", "", false},
		{"", "", true},
		{"", "error", false},
		{"a …\n", "a 1\n", true},
		{"a …\n", "a \n", false},
		{"a …\n", "a 1\n2\n", false},
		{"a\n…\nb\n", "a\nb\n", true},
		{"a\n…\nb\n", "a\n1\n2\nb\n", true},
		{"a\n…\nb\n", "a\n1\n2\n", false},
		{"…\n", "anything\nat all\n", true},
		{"a.c\n", "abc", false},
	} {
		if got := matchesShown(c.output, c.shown); got != c.want {
			t.Errorf("%q for %q: got %v", c.output, c.shown, got)
		}
	}
}

// readmeSession is the terminals of a reader.
type readmeSession struct {
	t     *testing.T
	env   []string
	shown []string      // pairs of addresses, as the document shows them and as they are
	side  []*besideTask // in the order of their start
}

func newReadmeSession(t *testing.T) *readmeSession {
	t.Helper()
	bin := t.TempDir()
	return &readmeSession{t: t, env: append(os.Environ(),
		"GOBIN="+bin, "PATH="+bin+string(filepath.ListSeparator)+os.Getenv("PATH"),
		"STARLING_PORT=0", // the ports that are shown may be taken here
	)}
}

// command is a command with the addresses of this run.
func (s *readmeSession) command(ctx context.Context, line string) *exec.Cmd {
	for i := 0; i < len(s.shown); i += 2 {
		line = strings.ReplaceAll(line, s.shown[i], s.shown[i+1])
	}
	cmd := exec.CommandContext(ctx, "sh", "-c", "exec "+line)
	cmd.Env = s.env
	return cmd
}

// asShown is an output with the addresses that the document shows.
func (s *readmeSession) asShown(output string) string {
	for i := 0; i < len(s.shown); i += 2 {
		output = strings.ReplaceAll(output, s.shown[i+1], s.shown[i])
	}
	return output
}

// run runs one command, and fails the test if it prints something else.
func (s *readmeSession) run(c consoleCommand) {
	s.t.Helper()
	switch {
	case strings.HasPrefix(c.line, "starling dev"):
		b := s.beside(c)
		s.meet(b, c.prints)
		b.await(s)
	case strings.HasPrefix(c.line, "starling watch") && !strings.Contains(c.line, "--once"):
		s.beside(c)
	default:
		ctx, cancel := context.WithTimeout(s.t.Context(), readmeLimit)
		defer cancel()
		out, err := s.command(ctx, c.line).CombinedOutput()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			s.t.Fatalf("$ %s: %v", c.line, err)
		}
		if !matchesShown(s.asShown(string(out)), c.prints) {
			s.t.Fatalf("$ %s\nprints:\n%s\nand not:\n%s", c.line, out, c.prints)
		}
	}
}

// besideTask is a command that runs beside the others.
type besideTask struct {
	consoleCommand
	cmd   *exec.Cmd
	lines chan string // what it prints; closed at its end
	seen  string
}

func (s *readmeSession) beside(c consoleCommand) *besideTask {
	s.t.Helper()
	b := &besideTask{consoleCommand: c, cmd: s.command(s.t.Context(), c.line), lines: make(chan string, 100)}
	b.cmd.Stderr = os.Stderr
	out, err := b.cmd.StdoutPipe()
	if err == nil {
		err = b.cmd.Start()
	}
	if err != nil {
		s.t.Fatalf("$ %s: %v", c.line, err)
	}
	go func() {
		defer close(b.lines)
		in := bufio.NewReader(out)
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				_, _ = io.Copy(io.Discard, in)
				return
			}
			b.lines <- line
		}
	}()
	s.side = append(s.side, b)
	s.t.Cleanup(func() { _ = b.cmd.Process.Kill() })
	return b
}

// meet reads the addresses that dev prints, and notes which ones the document shows for them.
func (s *readmeSession) meet(b *besideTask, shown string) {
	s.t.Helper()
	address := regexp.MustCompile(`(?m)^node +\S+ +(http://\S+)$`)
	for _, match := range address.FindAllStringSubmatch(shown, -1) {
		line := b.next(s)
		real := address.FindStringSubmatch(strings.TrimRight(line, "\n"))
		if real == nil {
			s.t.Fatalf("$ %s prints %q, want an address like %s", b.line, line, match[1])
		}
		s.shown = append(s.shown, match[1], real[1])
	}
	if len(s.shown) == 0 {
		s.t.Fatalf("no address is shown behind $ %s", b.line)
	}
	s.env = append(s.env, "STARLING_ADDR="+s.shown[1]) // which is the default where the ports are free
}

// next returns the next line.
func (b *besideTask) next(s *readmeSession) string {
	s.t.Helper()
	select {
	case line, ok := <-b.lines:
		if !ok {
			s.t.Fatalf("$ %s ended, after:\n%s", b.line, b.seen)
		}
		b.seen += line
		return line
	case <-time.After(readmeLimit):
		s.t.Fatalf("$ %s prints nothing more, after:\n%s\nand not:\n%s", b.line, b.seen, b.prints)
	}
	return ""
}

// await reads until everything that is shown was printed.
func (b *besideTask) await(s *readmeSession) {
	s.t.Helper()
	for !matchesShown(s.asShown(b.seen), b.prints) {
		b.next(s)
	}
}

// end waits for what is still to be printed, and presses Ctrl-C in every terminal, the last one first.
func (s *readmeSession) end() {
	s.t.Helper()
	for _, b := range s.side {
		b.await(s)
	}
	for i := len(s.side) - 1; i >= 0; i-- {
		b := s.side[i]
		if err := b.cmd.Process.Signal(os.Interrupt); err != nil {
			s.t.Errorf("$ %s: %v", b.line, err)
		}
		for line := range b.lines {
			s.t.Errorf("$ %s prints more than is shown: %q", b.line, line)
		}
		if err := b.cmd.Wait(); err != nil {
			s.t.Errorf("$ %s after Ctrl-C: %v", b.line, err)
		}
	}
}

// program runs a program of this module.
func (s *readmeSession) program(text, prints string) {
	s.t.Helper()
	dir, err := os.MkdirTemp(".", "_readme-") // the go command looks into no directory that begins so
	if err != nil {
		s.t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	name := filepath.Join(dir, "main.go")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	var talk bytes.Buffer
	ctx, cancel := context.WithTimeout(s.t.Context(), readmeLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "run", name)
	cmd.Stderr = &talk
	out, err := cmd.Output()
	if err != nil || !matchesShown(string(out), prints) {
		s.t.Fatalf("the program prints %q, %v\n%s", out, err, fmt.Sprint(&talk))
	}
}
