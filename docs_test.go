package starling_test

import (
	"fmt"
	"go/ast"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
)

var markdownLink = regexp.MustCompile(`\]\(([^)\s]+)\)`)

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
	for _, match := range markdownLink.FindAllStringSubmatch(text, -1) {
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
	text := "[a](a.md) [b](../README.md#top) [c](#here) [d](https://example.com/x) [e](gone.md) [f](../a.md)"
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
