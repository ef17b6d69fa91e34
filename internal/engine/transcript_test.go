package engine_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/starlingkv/starling/internal/engine"
	"github.com/starlingkv/starling/internal/sim"
)

// rewrite writes what the engines did into the transcripts. It never touches
// their expect lines, and a story whose expectations fail is not written.
var rewrite = flag.Bool("rewrite", false, "write the transcripts anew; read the difference before you commit it")

// block is some lines of a story and what they led to.
type block struct {
	lines []string
	out   string
}

// TestTranscripts plays every story in testdata. Each begins with what one must
// see, and goes on in blocks: lines, four dashes, what the engines did.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 14 {
		t.Fatalf("%d transcripts, want at least 14", len(files))
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) { playStory(t, file) })
	}
}

func playStory(t *testing.T, file string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, blocks := parseStory(t, string(text))
	var out strings.Builder
	story := sim.NewScript(engine.Config{}, &out)
	expectations := 0
	for i := range blocks {
		out.Reset()
		for _, line := range blocks[i].lines {
			if strings.HasPrefix(line, "expect") {
				expectations++
			}
			if err := story.Do(line); err != nil {
				t.Errorf("%s: %q: %v", file, line, err)
			}
		}
		if got := out.String(); got != blocks[i].out {
			if !*rewrite {
				t.Errorf("%s, block %d (%s):\n--- got\n%s--- want\n%s", file, i+1, blocks[i].lines[0], got, blocks[i].out)
			}
			blocks[i].out = got
		}
	}
	if expectations == 0 {
		t.Errorf("%s expects nothing", file)
	}
	if *rewrite && !t.Failed() {
		writeStory(t, file, head, blocks)
	}
}

// parseStory splits a transcript into its head and its blocks.
func parseStory(t *testing.T, text string) (head string, blocks []block) {
	parts := strings.Split(strings.TrimRight(text, "\n"), "\n\n")
	head = parts[0]
	if !strings.HasPrefix(head, "# ") {
		t.Fatal("a transcript begins with what one must see")
	}
	for _, p := range parts[1:] {
		cmd, out, found := strings.Cut(p+"\n", "----\n")
		if !found {
			t.Fatalf("a block without ----: %q", p)
		}
		blocks = append(blocks, block{lines: strings.Split(strings.TrimSuffix(cmd, "\n"), "\n"), out: out})
	}
	return head, blocks
}

func writeStory(t *testing.T, file, head string, blocks []block) {
	var b strings.Builder
	b.WriteString(head + "\n")
	for _, bl := range blocks {
		fmt.Fprintf(&b, "\n%s\n----\n%s", strings.Join(bl.lines, "\n"), bl.out)
	}
	if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}
