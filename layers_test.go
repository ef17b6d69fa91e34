package starling_test

import (
	"fmt"
	"testing"
)

// floors is the house: a package imports only packages on lower floors and libraries. Test files may import any.
// A package that stands in no row fails TestLayers, so that its place is a decision and not an accident.
var floors = map[string]int{
	"kv":             0,
	"internal/hlc":   0,
	"internal/tree":  0,
	"internal/note":  0,
	"internal/memo":  0,
	"internal/plot":  0,
	"internal/embed": 0,

	"kv/kvtest":      1,
	"kv/memkv":       1,
	"kv/httpkv":      1,
	"kv/routekv":     1,
	"kv/mirrorkv":    1,
	"elect":          1,
	"internal/cell":  1,
	"internal/retry": 1,

	"kv/etcdkv":         2,
	"kv/consulkv":       2,
	"kv/natskv":         2,
	"internal/wire":     2,
	"internal/storedoc": 2,

	"internal/engine": 3,
	"internal/member": 3,
	"internal/disk":   3,
	"crdt":            3,

	"internal/sim":  4,
	"crdt/crdttest": 4,

	".": 5,

	"prom":     6,
	"web":      6,
	"ringwire": 6,

	"cmd/starling/internal/stores": 6,

	"cmd/starling": 7,

	"internal/lab": 7, // for tests alone: whoever is below cannot import it
}

func TestLayers(t *testing.T) {
	edges := 0
	for _, file := range productFiles(t) {
		for _, breach := range layerBreaches(file.pkg(), file.imports()) {
			t.Errorf("%s: %s", file.path, breach)
		}
		edges += len(file.imports())
	}
	if edges == 0 {
		t.Error("no import was read: the walk does not see the tree")
	}
}

// layerBreaches says what is wrong with a package that has these imports.
func layerBreaches(pkg string, imports []string) []string {
	floor, known := floors[pkg]
	if !known {
		return []string{fmt.Sprintf("package %s has no floor: give it one in layers_test.go", pkg)}
	}
	var breaches []string
	for _, importPath := range imports {
		target, own := ownPackage(importPath)
		if !own {
			continue
		}
		below, known := floors[target]
		switch {
		case !known:
			breaches = append(breaches, fmt.Sprintf("imports %s, which has no floor", target))
		case below >= floor:
			breaches = append(breaches, fmt.Sprintf("floor %d imports %s of floor %d", floor, target, below))
		}
	}
	return breaches
}

func TestLayerBreaches(t *testing.T) {
	const own = modulePath + "/"
	for _, c := range []struct {
		name    string
		pkg     string
		imports []string
		want    int
	}{
		{"downward", "internal/engine", []string{own + "internal/wire", own + "internal/cell", own + "kv"}, 0},
		{"libraries are free", "kv/etcdkv", []string{"context", "example.com/etcd"}, 0},
		{"a module with a longer name is a library", "kv", []string{modulePath + "-extras/x"}, 0},
		{"upward", "internal/cell", []string{own + "internal/engine"}, 1},
		{"sideways", "kv/memkv", []string{own + "kv/httpkv"}, 1},
		{"the root from below", "internal/member", []string{modulePath}, 1},
		{"importer without a floor", "kv/newkv", nil, 1},
		{"imported without a floor", "web", []string{own + "internal/util"}, 1},
	} {
		if got := layerBreaches(c.pkg, c.imports); len(got) != c.want {
			t.Errorf("%s: got %d breaches, want %d: %q", c.name, len(got), c.want, got)
		}
	}
}
