package starling_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// The tests in this directory read the tree itself: which package imports what, what a pure package may touch,
// what a public package links, which modules there are, what the lineage table claims.

const modulePath = "github.com/starlingkv/starling"

// A goFile is one parsed file of the product module.
type goFile struct {
	path string // slash-separated, relative to the module's root
	tree *ast.File
}

// pkg is the directory of the file, "." for the root: the name by which the tables know a package.
func (f goFile) pkg() string { return path.Dir(f.path) }

// imports lists the import paths of the file in the order of the source.
func (f goFile) imports() []string {
	paths := make([]string, 0, len(f.tree.Imports))
	for _, spec := range f.tree.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			panic("starling_test: the parser let a bad import path through: " + spec.Path.Value)
		}
		paths = append(paths, p)
	}
	return paths
}

// ownPackage turns the import path of a package of this module into the name used in the tables.
func ownPackage(importPath string) (name string, own bool) {
	if importPath == modulePath {
		return ".", true
	}
	return strings.CutPrefix(importPath, modulePath+"/")
}

// productFiles parses every non-test Go file of the product module, whatever its build constraints: an edge that only
// exists on another system is an edge too.
func productFiles(t *testing.T) []goFile {
	t.Helper()
	var files []goFile
	fset := token.NewFileSet()
	walkProduct(t, func(name string) {
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return
		}
		tree, err := parser.ParseFile(fset, filepath.FromSlash(name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatalf("parse %s: %v", name, err)
		}
		files = append(files, goFile{path: name, tree: tree})
	})
	return files
}

// walkProduct calls visit for every file of the product module: nested modules, testdata and hidden directories are
// not part of it.
func walkProduct(t *testing.T, visit func(name string)) {
	t.Helper()
	err := filepath.WalkDir(".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !entry.IsDir() {
			visit(filepath.ToSlash(name))
			return nil
		}
		if name != "." && (skippedDir(entry.Name()) || isModule(name)) {
			return filepath.SkipDir
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// skippedDir reports whether the go command, too, would not look for packages in a directory of this name.
func skippedDir(base string) bool {
	return base == "testdata" || base == "vendor" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_")
}

func isModule(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}
