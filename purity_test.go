package starling_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"strconv"
	"strings"
	"testing"
)

// The pure packages are one machine: the same inputs give the same outputs on every run, which is what lets the
// simulator replay a seed. So they get time and randomness as arguments and touch nothing else of the world. The
// lists below name what is allowed; whatever is new has to be put there by hand.

var purePackages = []string{"internal/hlc", "internal/tree", "internal/cell", "internal/wire", "internal/engine"}

// pureImports are the standard packages a pure package may import. A nil list allows everything in it, another one
// only the names that stand in it.
var pureImports = map[string][]string{
	"bytes":           nil,
	"cmp":             nil,
	"container/heap":  nil,
	"container/list":  nil,
	"crypto/sha256":   nil,
	"encoding/binary": nil,
	"encoding/hex":    nil,
	"errors":          nil,
	"hash/crc32":      nil,
	"iter":            nil,
	"maps":            nil,
	"math":            nil,
	"math/bits":       nil,
	"slices":          nil,
	"sort":            nil,
	"strconv":         nil,
	"strings":         nil,
	"sync/atomic":     nil,
	"unicode":         nil,
	"unicode/utf8":    nil,

	// No printing: an event is a value that the shell may log.
	"fmt": {
		"Append", "Appendf", "Appendln", "Errorf", "Formatter", "Fprint", "Fprintf", "Fprintln", "GoStringer",
		"Sprint", "Sprintf", "Sprintln", "State", "Stringer",
	},
	// Types and arithmetic; nothing that reads a clock or the time zone of the machine.
	"time": {
		"Date", "Duration", "Hour", "Microsecond", "Millisecond", "Minute", "Month", "Nanosecond", "RFC3339",
		"RFC3339Nano", "Second", "Time", "UTC", "Unix", "UnixMicro", "UnixMilli", "Weekday",
	},
	// Generators with a seed that somebody gave; the top-level functions draw from the process.
	"math/rand/v2": {
		"ChaCha8", "New", "NewChaCha8", "NewPCG", "NewZipf", "PCG", "Rand", "Source", "Zipf",
	},
}

func TestPurity(t *testing.T) {
	seen := map[string]bool{}
	for _, file := range productFiles(t) {
		if !isPure(file.pkg()) {
			continue
		}
		seen[file.pkg()] = true
		for _, breach := range purityBreaches(file) {
			t.Errorf("%s: %s", file.path, breach)
		}
	}
	for _, pkg := range purePackages {
		if !seen[pkg] {
			t.Errorf("%s holds no Go file: the list of pure packages is out of step with the tree", pkg)
		}
	}
}

func isPure(pkg string) bool {
	for _, pure := range purePackages {
		if pkg == pure || strings.HasPrefix(pkg, pure+"/") {
			return true
		}
	}
	return false
}

// purityBreaches says what in a file reaches for the world.
func purityBreaches(file goFile) []string {
	var breaches []string
	restricted := map[string]string{} // local name -> import path, of packages of which only some names are allowed
	for i, importPath := range file.imports() {
		spec := file.tree.Imports[i]
		if breach := importBreach(importPath, spec.Name); breach != "" {
			breaches = append(breaches, breach)
			continue
		}
		if pureImports[importPath] != nil {
			restricted[localName(importPath, spec.Name)] = importPath
		}
	}
	ast.Inspect(file.tree, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.GoStmt:
			breaches = append(breaches, "starts a goroutine")
		case *ast.CallExpr:
			if name, isIdent := node.Fun.(*ast.Ident); isIdent && (name.Name == "print" || name.Name == "println") {
				breaches = append(breaches, "prints")
			}
		case *ast.SelectStmt:
			breaches = append(breaches, "selects: the order of channels is not an argument")
		case *ast.SelectorExpr:
			if breach := selectorBreach(node, restricted); breach != "" {
				breaches = append(breaches, breach)
			}
		}
		return true
	})
	return breaches
}

func importBreach(importPath string, name *ast.Ident) string {
	if own, isOwn := ownPackage(importPath); isOwn {
		if !isPure(own) {
			return fmt.Sprintf("imports %s, which is not pure", own)
		}
		return ""
	}
	if _, allowed := pureImports[importPath]; !allowed {
		return fmt.Sprintf("imports %s, which is not on the list of purity_test.go", importPath)
	}
	if name != nil && name.Name == "." && pureImports[importPath] != nil {
		return fmt.Sprintf("imports %s by a dot, which hides the names used", importPath)
	}
	return ""
}

func selectorBreach(selector *ast.SelectorExpr, restricted map[string]string) string {
	pkg, isIdent := selector.X.(*ast.Ident)
	if !isIdent {
		return ""
	}
	importPath, found := restricted[pkg.Name]
	if !found {
		return ""
	}
	for _, allowed := range pureImports[importPath] {
		if selector.Sel.Name == allowed {
			return ""
		}
	}
	return fmt.Sprintf("uses %s.%s", importPath, selector.Sel.Name)
}

// localName is the name by which a file refers to an import.
func localName(importPath string, given *ast.Ident) string {
	if given != nil {
		return given.Name
	}
	base := path.Base(importPath)
	if _, err := strconv.Atoi(strings.TrimPrefix(base, "v")); err == nil && strings.HasPrefix(base, "v") {
		return path.Base(path.Dir(importPath))
	}
	return base
}

func TestPurityBreaches(t *testing.T) {
	for _, c := range []struct {
		name   string
		source string
		want   int
	}{
		{"types of time", `import "time"; var d time.Duration = 3 * time.Second; var t = time.UnixMilli(7)`, 0},
		{"seeded randomness", `import "math/rand/v2"; func f(s uint64) *rand.Rand { return rand.New(rand.NewPCG(s, s)) }`, 0},
		{"atomics", `import "sync/atomic"; var n atomic.Int64`, 0},
		{"a pure package below", `import "` + modulePath + `/internal/cell"; var c cell.Cell`, 0},
		{"a field that is called like a package", `type x struct{ os int }; func f(v x) int { return v.os }`, 0},
		{"the clock", `import "time"; var now = time.Now()`, 1},
		{"the clock as a value", `import "time"; var clock = time.Now`, 1},
		{"the clock under another name", `import wall "time"; var age = wall.Since(wall.Time{})`, 1},
		{"the clock without a name", `import . "time"; var now = Now()`, 1},
		{"a timer", `import "time"; func f() { <-time.After(1); time.AfterFunc(1, nil); time.Sleep(1) }`, 3},
		{"the machine's zone", `import "time"; var z = time.Local`, 1},
		{"global randomness", `import "math/rand/v2"; var n = rand.IntN(3)`, 1},
		{"global randomness, older", `import "math/rand"; var n = rand.Intn(3)`, 1},
		{"secret randomness", `import "crypto/rand"; var r = rand.Reader`, 1},
		{"the network", `import "net"; var c net.Conn`, 1},
		{"the network, deeper", `import "net/http"; var c http.Client`, 1},
		{"the file system", `import "os"; var f = os.Stdout`, 1},
		{"locks", `import "sync"; var m sync.Mutex`, 1},
		{"logs", `import "log/slog"; func f() { slog.Info("x") }`, 1},
		{"printing", `import "fmt"; func f() { fmt.Println("x") }`, 1},
		{"printing without an import", `func f() { println("x") }`, 1},
		{"what unsafe lets in, as the runtime's clock by a linkname", `import _ "unsafe"`, 1},
		{"deadlines", `import "context"; var c context.Context`, 1},
		{"a goroutine", `func f() { go f() }`, 1},
		{"a select", `func f(c chan int) { select { case <-c: default: } }`, 1},
		{"a package of ours with a clock", `import "` + modulePath + `/internal/member"; var x member.Pool`, 1},
		{"a library", `import "example.com/fast"; var x fast.Hash`, 1},
	} {
		file := goFile{path: "internal/engine/snippet.go"}
		var err error
		file.tree, err = parser.ParseFile(token.NewFileSet(), file.path, "package p; "+c.source, parser.SkipObjectResolution)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if got := purityBreaches(file); len(got) != c.want {
			t.Errorf("%s: got %d breaches, want %d: %q", c.name, len(got), c.want, got)
		}
	}
}
