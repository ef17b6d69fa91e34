package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/httpkv"
)

// TestDev runs a cluster in this process, does what it proposes, and ends it.
func TestDev(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	urls, proposed, end := startDev(t)
	if len(urls) != 3 || len(proposed) != 3 {
		t.Fatalf("got the nodes %q and the proposals %q, want 3 and 3", urls, proposed)
	}
	last, err := httpkv.New(urls[2], kv.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	doProposed(t, last, proposed)

	// A watch that runs does not hold the end up.
	watching, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	synced, unwatched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(unwatched)
		for ev := range last.Events(watching, "") {
			if ev.Kind == kv.Synced {
				close(synced)
			}
		}
	}()
	<-synced
	end()
	last.Close()
	<-unwatched
}

// startDev runs dev until end is called, which wants it to end well and soon.
func startDev(t *testing.T, args ...string) (urls, proposed []string, end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	in, out := io.Pipe()
	var talk bytes.Buffer
	ended := make(chan int, 1)
	go func() {
		p := program{in: strings.NewReader(""), out: out, err: &talk, getenv: func(string) string { return "" }}
		ended <- p.run(ctx, append([]string{"dev", "--port", "0"}, args...))
		out.Close()
	}()
	urls, proposed = readWelcome(t, in)
	return urls, proposed, func() {
		t.Helper()
		cancel()
		select {
		case code := <-ended:
			if code != exitOK {
				t.Errorf("Ctrl-C: exit code %d\n%s", code, &talk)
			}
		case <-time.After(30 * time.Second):
			t.Fatal("Ctrl-C does not end it")
		}
	}
}

// doProposed runs the three lines that dev proposes, and looks from the last node.
func doProposed(t *testing.T, last *httpkv.Client, proposed []string) {
	t.Helper()
	seen := make(chan any, 1)
	watching, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	go last.WatchKey(watching, "greeting", func(v any) bool {
		seen <- v
		return false
	})
	if got := run(t, "", "", nil, strings.Fields(proposed[1])[1:]...); got.code != exitOK {
		t.Fatalf("%s: exit code %d: %s", proposed[1], got.code, got.err)
	}
	select {
	case v := <-seen:
		if string(v.([]byte)) != "hello" {
			t.Errorf("the watch on the last node says %q, want hello", v)
		}
	case <-watching.Done():
		t.Fatal("what was put on the first node is not seen on the last")
	}
	if got := run(t, "", "", nil, append(strings.Fields(proposed[0])[1:], "--once", "-o", "raw")...); got.out != "hello\n" {
		t.Errorf("%s: got %q, %s", proposed[0], got.out, got.err)
	}
	if got := run(t, "", "", nil, strings.Fields(proposed[2])[1:]...); got.code != exitOK || !strings.Contains(got.out, "3 of 3 agree") {
		t.Errorf("%s: exit code %d: %s%s", proposed[2], got.code, got.out, got.err)
	}
}

// TestDevAndServerKnowEveryFormat looks at the first line of what runs until it is stopped.
func TestDevAndServerKnowEveryFormat(t *testing.T) {
	for _, verb := range []string{"dev --nodes 1 --port 0", "server --bind 127.0.0.1:0 --http 127.0.0.1:0"} {
		for f, want := range map[string]string{
			"table": `^node \S+ .*http://127`, "raw": `^http://127\.0\.0\.1:\d+$`,
			"json": `^{"node":"[^"]+","cluster":"[^"]+","http":"http:[^"]+","gossip":"127[^"]+"}$`, "jsonl": `^{"node":.*}$`,
		} {
			ctx, cancel := context.WithCancel(t.Context())
			in, out := io.Pipe()
			ended := make(chan int, 1)
			go func() {
				p := program{in: strings.NewReader(""), out: out, err: io.Discard, getenv: func(string) string { return "" }}
				ended <- p.run(ctx, append(strings.Fields(verb), "-o", f))
				out.Close()
			}()
			lines := bufio.NewReader(in)
			line, err := lines.ReadString('\n')
			if line = strings.TrimSuffix(line, "\n"); err != nil || !regexp.MustCompile(want).MatchString(line) {
				t.Errorf("%s -o %s: got %q, %v, want %s", verb, f, line, err, want)
			}
			cancel()
			_, _ = io.Copy(io.Discard, lines)
			if code := <-ended; code != exitOK {
				t.Errorf("%s -o %s: exit code %d", verb, f, code)
			}
		}
	}
}

// readWelcome reads what dev says up to its last line.
func readWelcome(t *testing.T, in io.Reader) (urls, proposed []string) {
	t.Helper()
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if url := regexp.MustCompile(`^node n\d +(http://\S+)$`).FindStringSubmatch(line); url != nil {
			urls = append(urls, url[1])
		}
		if strings.HasPrefix(line, "starling ") {
			proposed = append(proposed, line)
		}
		if strings.HasPrefix(line, "Ctrl-C") {
			return urls, proposed
		}
	}
	t.Fatalf("dev ended early: %v", lines.Err())
	return nil, nil
}

// TestDevPassesOverTakenPorts takes a port and asks for it.
func TestDevPassesOverTakenPorts(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	at, err := listenFrom(port)
	if err != nil {
		t.Fatal(err)
	}
	defer at.Close()
	if got := at.Addr().(*net.TCPAddr).Port; got <= port {
		t.Errorf("got port %d, want one above %d", got, port)
	}
}

// TestServerLeaves stops a process as a service manager does: the other is told at once that it left.
func TestServerLeaves(t *testing.T) {
	n1 := start(t, "--cluster", "bye", "--name", "n1", "--bind", "127.0.0.1:0", "--http", "127.0.0.1:0")
	n2 := start(t, "--cluster", "bye", "--name", "n2", "--bind", "127.0.0.1:0", "--http", "127.0.0.1:0", "--seed", n1.Gossip)
	c := n2.client(t)
	if _, err := c.Put(t.Context(), "last/words", []byte("so long")); err != nil {
		t.Fatal(err)
	}
	n2.leave(t)
	if v, err := n1.client(t).Get(t.Context(), "last/words"); err != nil || v == nil || string(v.([]byte)) != "so long" {
		t.Errorf("the last write did not outlive its node: got %v, %v", v, err)
	}
	n1.shows(t, `(?m)^n2 .* left `, "members")
}

// TestServerLeavesTheSilent stops a process that somebody has connected to without ever asking anything, as clients do
// that open connections ahead: it ends in order.
func TestServerLeavesTheSilent(t *testing.T) {
	n := start(t, "--name", "n1", "--bind", "127.0.0.1:0", "--http", "127.0.0.1:0")
	silent, err := net.Dial("tcp", strings.TrimPrefix(n.HTTP, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	if _, err := n.client(t).Get(t.Context(), "k"); err != nil { // accepted after the other one
		t.Fatal(err)
	}
	n.leave(t)
}

// TestServersOfTwoClusters points one cluster's node at the other's: they stay apart, and say so.
func TestServersOfTwoClusters(t *testing.T) {
	n1 := start(t, "--cluster", "red", "--name", "n1", "--bind", "127.0.0.1:0", "--http", "127.0.0.1:0")
	n2 := start(t, "--cluster", "blue", "--name", "n2", "--bind", "127.0.0.1:0", "--http", "127.0.0.1:0", "--seed", n1.Gossip)
	if _, err := n1.client(t).Put(t.Context(), "k", []byte("red")); err != nil {
		t.Fatal(err)
	}
	n1.shows(t, "cluster blue at 127.0.0.1:", "status")
	if v, err := n2.client(t).Get(t.Context(), "k"); err != nil || v != nil {
		t.Errorf("n2 holds %v of another cluster, %v", v, err)
	}
}

// TestServerThatCannotListen names the address.
func TestServerThatCannotListen(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := strconv.Itoa(taken.Addr().(*net.TCPAddr).Port)
	for _, args := range [][]string{
		{"server", "--http", "127.0.0.1:" + port, "--bind", "127.0.0.1:0"},
		{"server", "--http", "127.0.0.1:0", "--bind", "127.0.0.1:" + port},
	} {
		got := run(t, "", "", nil, args...)
		if got.code != exitError || !strings.Contains(got.err, port) {
			t.Errorf("%q: exit code %d, %s", args, got.code, got.err)
		}
	}
}
