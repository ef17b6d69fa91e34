package starling_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestModules fails if a go.mod of the tree is on no list: `make test` goes through the labs by name, so a module
// without a name would be one that nobody tests.
func TestModules(t *testing.T) {
	makefile, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	listed, err := listedModules(string(makefile))
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range unlisted(goModDirs(t), listed) {
		t.Errorf("%s/go.mod is on no list: add it to LABS in the Makefile, or to BUILT if it has no tests", dir)
	}
	for _, dir := range unlisted(listed, goModDirs(t)) {
		t.Errorf("%s is listed in the Makefile but holds no go.mod", dir)
	}
}

// listedModules are the product, the tools and what the Makefile's LABS and BUILT name.
func listedModules(makefile string) ([]string, error) {
	lines := regexp.MustCompile(`(?m)^(?:LABS|BUILT)\s*:=(.*)$`).FindAllStringSubmatch(makefile, -1)
	if len(lines) != 2 {
		return nil, fs.ErrNotExist
	}
	listed := []string{".", "tools"}
	for _, line := range lines {
		listed = append(listed, strings.Fields(line[1])...)
	}
	return listed, nil
}

// A module that is only built must have no tests, as nobody would run them.
func TestBuiltModulesHaveNoTests(t *testing.T) {
	makefile, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range strings.Fields(regexp.MustCompile(`(?m)^BUILT\s*:=(.*)$`).FindStringSubmatch(string(makefile))[1]) {
		tests, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
		if err != nil || len(tests) > 0 {
			t.Errorf("%s is in BUILT but has tests: %q, %v", dir, tests, err)
		}
	}
}

// unlisted returns what is in found and not in listed.
func unlisted(found, listed []string) []string {
	return slices.DeleteFunc(slices.Clone(found), func(dir string) bool { return slices.Contains(listed, dir) })
}

// goModDirs finds every module of the tree, nested ones too.
func goModDirs(t *testing.T) []string {
	t.Helper()
	var dirs []string
	err := filepath.WalkDir(".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && entry.Name() == ".git":
			return filepath.SkipDir
		case entry.Name() == "go.mod":
			dirs = append(dirs, path.Dir(filepath.ToSlash(name)))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return dirs
}

func TestListedModules(t *testing.T) {
	listed, err := listedModules("FROM := 1\nLABS := lab/stores lab/dskit\nBUILT := lab/agent\n")
	if want := []string{".", "tools", "lab/stores", "lab/dskit", "lab/agent"}; err != nil || !slices.Equal(listed, want) {
		t.Errorf("got %q, %v; want %q", listed, err, want)
	}
	if _, err := listedModules("NOLABS := x\nBUILT := y\n"); err == nil {
		t.Error("a Makefile without the list was taken for one with an empty list")
	}
	if got := unlisted([]string{".", "lab/new"}, listed); !slices.Equal(got, []string{"lab/new"}) {
		t.Errorf("got %q, want the module that is on no list", got)
	}
}

// TestModulesKnowTheProduct: what the product requires, every lab that replaces it must list too, or it builds no more.
// After a change of go.mod run go mod tidy in every module under lab/.
func TestModulesKnowTheProduct(t *testing.T) {
	for _, dir := range goModDirs(t) {
		if !strings.HasPrefix(dir, "lab/") {
			continue
		}
		list := exec.Command("go", "list", "./...")
		list.Dir = dir
		if out, err := list.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", dir, err, out)
		}
	}
}
