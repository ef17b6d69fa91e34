package starling_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// A budget bounds what importing one public package links: modules beside this one, and packages outside the
// standard library, those of this module included.
type budget struct{ modules, packages int }

// budgets holds every public package there is. A new one fails TestBudget until somebody decides here what it may cost.
var budgets = map[string]budget{
	".":             {modules: 20, packages: 40},
	"crdt":          {modules: 0, packages: 6},
	"crdt/crdttest": {modules: 0, packages: 9},
	"elect":         {modules: 0, packages: 2},
	"kv":            {modules: 0, packages: 2},
	"kv/consulkv":   {modules: 18, packages: 24},
	"kv/etcdkv":     {modules: 18, packages: 170},
	"kv/httpkv":     {modules: 0, packages: 3},
	"kv/kvtest":     {modules: 0, packages: 4},
	"kv/memkv":      {modules: 0, packages: 4},
	"kv/natskv":     {modules: 6, packages: 24},
	"kv/mirrorkv":   {modules: 0, packages: 2},
	"kv/routekv":    {modules: 0, packages: 2},
	"prom":          {modules: 10, packages: 60},
	"web":           {modules: 0, packages: 8},
}

func TestBudget(t *testing.T) {
	public := publicPackages(t)
	for _, breach := range unbudgeted(public) {
		t.Error(breach)
	}
	for _, pkg := range public {
		limit, found := budgets[pkg]
		if !found {
			continue
		}
		cost := linked(t, pkg)
		for _, breach := range cost.over(limit) {
			t.Errorf("%s %s", pkg, breach)
		}
		t.Logf("%s links %d modules and %d packages of %d and %d", pkg, len(cost.modules), len(cost.packages), limit.modules, limit.packages)
	}
}

// unbudgeted says where the table and the tree disagree.
func unbudgeted(public []string) []string {
	var breaches []string
	for _, pkg := range public {
		if _, found := budgets[pkg]; !found {
			breaches = append(breaches, fmt.Sprintf("public package %s has no budget: give it one in budget_test.go", pkg))
		}
	}
	for pkg := range budgets {
		if !slices.Contains(public, pkg) {
			breaches = append(breaches, fmt.Sprintf("%s has a budget but does not exist", pkg))
		}
	}
	return breaches
}

// publicPackages are those that code outside this module can import and use.
func publicPackages(t *testing.T) []string {
	t.Helper()
	var public []string
	for _, file := range productFiles(t) {
		pkg := file.pkg()
		elements := strings.Split(pkg, "/")
		if slices.Contains(elements, "internal") || elements[0] == "cmd" || slices.Contains(public, pkg) {
			continue
		}
		public = append(public, pkg)
	}
	return public
}

// A footprint is what one package brings into a program.
type footprint struct{ modules, packages []string }

// linked asks the go command for the dependencies of a package.
func linked(t *testing.T, pkg string) footprint {
	t.Helper()
	target := modulePath
	if pkg != "." {
		target += "/" + pkg
	}
	var stderr bytes.Buffer
	list := exec.Command("go", "list", "-deps", "-json=ImportPath,Standard,Module", target)
	list.Stderr = &stderr
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list -deps %s: %v\n%s", target, err, stderr.String())
	}
	cost, err := parseFootprint(out)
	if err != nil {
		t.Fatalf("go list -deps %s: %v", target, err)
	}
	return cost
}

// parseFootprint reads the stream of objects that go list prints.
func parseFootprint(listing []byte) (footprint, error) {
	var cost footprint
	for decoder := json.NewDecoder(bytes.NewReader(listing)); ; {
		var dep struct {
			ImportPath string
			Standard   bool
			Module     *struct{ Path string }
		}
		if err := decoder.Decode(&dep); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return footprint{}, err
		}
		if dep.Standard {
			continue
		}
		cost.packages = append(cost.packages, dep.ImportPath)
		if dep.Module != nil && dep.Module.Path != modulePath && !slices.Contains(cost.modules, dep.Module.Path) {
			cost.modules = append(cost.modules, dep.Module.Path)
		}
	}
	if len(cost.packages) == 0 {
		return footprint{}, errors.New("no package in the listing")
	}
	return cost, nil
}

// over says by what a footprint exceeds its budget.
func (f footprint) over(limit budget) []string {
	var breaches []string
	if n := len(f.modules); n > limit.modules {
		breaches = append(breaches, fmt.Sprintf("links %d modules, its budget is %d: %q", n, limit.modules, f.modules))
	}
	if n := len(f.packages); n > limit.packages {
		breaches = append(breaches, fmt.Sprintf("links %d packages, its budget is %d: %q", n, limit.packages, f.packages))
	}
	return breaches
}

func TestFootprint(t *testing.T) {
	cost, err := parseFootprint([]byte(`
		{"ImportPath": "fmt", "Standard": true}
		{"ImportPath": "example.com/a", "Module": {"Path": "example.com/a"}}
		{"ImportPath": "example.com/a/b", "Module": {"Path": "example.com/a"}}
		{"ImportPath": "` + modulePath + `/kv", "Module": {"Path": "` + modulePath + `"}}`))
	if err != nil || len(cost.modules) != 1 || len(cost.packages) != 3 {
		t.Fatalf("got %+v, %v; want 1 module and 3 packages", cost, err)
	}
	for _, c := range []struct {
		limit budget
		want  int
	}{{budget{1, 3}, 0}, {budget{0, 3}, 1}, {budget{1, 2}, 1}, {budget{0, 0}, 2}} {
		if got := cost.over(c.limit); len(got) != c.want {
			t.Errorf("budget %+v: got %q, want %d breaches", c.limit, got, c.want)
		}
	}
	if _, err := parseFootprint(nil); err == nil {
		t.Error("an empty listing passed: it would hide a broken go list")
	}
}
