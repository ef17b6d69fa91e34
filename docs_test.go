package starling_test

import (
	"fmt"
	"go/ast"
	"net/http"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
)

var (
	markdownLink = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	fencedCode   = regexp.MustCompile("(?ms)^```.*?^```$") // a conversion of a generic type looks like a link
)

// TestDocLinks follows every relative link in the Markdown files of the product.
func TestDocLinks(t *testing.T) {
	links := 0
	walkProduct(t, func(name string) {
		if !strings.HasSuffix(name, ".md") {
			return
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, breach := range deadLinks(name, string(text), exists) {
			t.Error(breach)
		}
		links += len(markdownLink.FindAllString(string(text), -1))
	})
	if links == 0 {
		t.Error("no link was read: the walk does not see the documents")
	}
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// deadLinks lists the links of a document to files of the tree that do not exist.
func deadLinks(name, text string, exists func(name string) bool) []string {
	var dead []string
	for _, match := range markdownLink.FindAllStringSubmatch(fencedCode.ReplaceAllString(text, ""), -1) {
		target, _, _ := strings.Cut(match[1], "#")
		if target == "" || strings.Contains(target, "://") {
			continue
		}
		if !exists(path.Join(path.Dir(name), target)) {
			dead = append(dead, fmt.Sprintf("%s: link to %s leads nowhere", name, match[1]))
		}
	}
	return dead
}

func TestDeadLinks(t *testing.T) {
	tree := func(name string) bool { return name == "docs/a.md" || name == "README.md" }
	text := "[a](a.md) [b](../README.md#top) [c](#here) [d](https://example.com/x) [e](gone.md) [f](../a.md)\n```go\n[T](x)\n```\n"
	if got := deadLinks("docs/x.md", text, tree); len(got) != 2 {
		t.Errorf("got %q, want the two links that lead nowhere", got)
	}
}

// TestErrorPages holds docs/errors to the sentinels of package kv: each has a page that names it.
func TestErrorPages(t *testing.T) {
	sentinels := 0
	for _, file := range productFiles(t) {
		if file.pkg() != "kv" {
			continue
		}
		for _, name := range sentinelNames(file.tree) {
			sentinels++
			page := "docs/errors/" + errorSlug(name) + ".md"
			text, err := os.ReadFile(page)
			if err != nil {
				t.Errorf("kv.%s has no page: %v", name, err)
			} else if !strings.Contains(string(text), "`kv."+name+"`") {
				t.Errorf("%s does not name kv.%s", page, name)
			}
		}
	}
	if sentinels == 0 {
		t.Error("package kv declares no sentinel: the search is broken")
	}
}

// sentinelNames are the exported variables and constants of a file that are called Err...
func sentinelNames(file *ast.File) []string {
	var names []string
	for _, decl := range file.Decls {
		general, isGeneral := decl.(*ast.GenDecl)
		if !isGeneral {
			continue
		}
		for _, spec := range general.Specs {
			value, isValue := spec.(*ast.ValueSpec)
			if !isValue {
				continue
			}
			for _, name := range value.Names {
				if strings.HasPrefix(name.Name, "Err") {
					names = append(names, name.Name)
				}
			}
		}
	}
	return names
}

// errorSlug turns ErrNotReady into not-ready.
func errorSlug(name string) string {
	words := regexp.MustCompile(`[A-Z][a-z]*`).FindAllString(strings.TrimPrefix(name, "Err"), -1)
	return strings.ToLower(strings.Join(words, "-"))
}

// TestProblemPages holds docs/errors to the problems that the HTTP API sends: each has a page, and a row in the index with
// its status, and no row has a status that nothing sends.
func TestProblemPages(t *testing.T) {
	source, err := os.ReadFile("web/problem.go")
	if err != nil {
		t.Fatal(err)
	}
	index, err := os.ReadFile("docs/errors/README.md")
	if err != nil {
		t.Fatal(err)
	}
	sent := sentProblems(string(source))
	if len(sent) < 10 {
		t.Errorf("found only %d problems in web/problem.go: the search is broken", len(sent))
	}
	for slug := range sent {
		if !exists("docs/errors/" + slug + ".md") {
			t.Errorf("problem %s has no page", slug)
		}
	}
	for _, breach := range indexBreaches(string(index), sent) {
		t.Error(breach)
	}
}

var (
	problemKind = regexp.MustCompile(`kind\{"([a-z-]+)", http\.(Status\w+),`)
	problemRow  = regexp.MustCompile(`(?m)^\| \[([a-z-]+)\]\([a-z-]+\.md\) \|.*\| (\d+|-)\b?[^|]*\|$`)
)

// sentProblems finds the kinds of problems in a source, with their status.
func sentProblems(source string) map[string]string {
	codes := map[string]string{}
	for code := 100; code < 600; code++ {
		codes["Status"+strings.ReplaceAll(http.StatusText(code), " ", "")] = fmt.Sprint(code)
	}
	sent := map[string]string{}
	for _, match := range problemKind.FindAllStringSubmatch(source, -1) {
		sent[match[1]] = codes[match[2]]
	}
	return sent
}

// indexBreaches says where the index and what is sent disagree.
func indexBreaches(index string, sent map[string]string) []string {
	told := map[string]string{}
	for _, match := range problemRow.FindAllStringSubmatch(index, -1) {
		told[match[1]] = match[2]
	}
	var breaches []string
	for slug, status := range sent {
		if told[slug] != status {
			breaches = append(breaches, fmt.Sprintf("docs/errors/README.md says %q of %s, which is sent with %s", told[slug], slug, status))
		}
	}
	for slug, status := range told {
		if sent[slug] == "" && status != "-" {
			breaches = append(breaches, fmt.Sprintf("docs/errors/README.md says %s of %s, which nothing sends", status, slug))
		}
	}
	return breaches
}

func TestProblemIndex(t *testing.T) {
	sent := sentProblems(`kind{"busy", http.StatusServiceUnavailable, "x"} kind{"gone", http.StatusNotFound, y}`)
	if len(sent) != 2 || sent["busy"] != "503" || sent["gone"] != "404" {
		t.Fatalf("got %v", sent)
	}
	row := func(slug, status string) string {
		return "| [" + slug + "](" + slug + ".md) | `x` | " + status + " |\n"
	}
	for _, c := range []struct {
		index string
		want  int
	}{
		{row("busy", "503") + row("gone", "404, and more") + row("local", "-"), 0},
		{row("busy", "503"), 1},
		{row("busy", "500") + row("gone", "404"), 1},
		{row("busy", "503") + row("gone", "404") + row("local", "400"), 1},
	} {
		if got := indexBreaches(c.index, sent); len(got) != c.want {
			t.Errorf("%s: got %q, want %d breaches", c.index, got, c.want)
		}
	}
}
