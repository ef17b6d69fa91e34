package lab

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Source is the main package of a server. It imports nothing of this project, so that its own files, and the go.mod and
// go.sum above them, say all of what it is built from.
type Source struct {
	Name   string // of the directory in the user's cache
	Module string // of which the caller is a part, or which it requires
	Dir    string // of the package, in the module
	Long   string // how long the build takes, for whoever waits; empty: not long
}

// Binary returns the path of the server, which it builds, without the race detector, if it is not in the user's cache. Two
// that build at a time wait for one another.
func Binary(ctx context.Context, from Source) (string, error) {
	module, err := moduleDir(ctx, from.Module)
	if err != nil {
		return "", err
	}
	source := filepath.Join(module, from.Dir)
	dir, err := cacheDir(from.Name, source)
	if err != nil {
		return "", err
	}
	binary := filepath.Join(dir, filepath.Base(from.Dir))
	if exists(binary) {
		return binary, nil
	}
	unlock, err := lock(filepath.Join(dir, "lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	if exists(binary) {
		return binary, nil
	}
	if from.Long != "" {
		fmt.Fprintf(os.Stderr, "building %s of the tests, once: %s\n", from.Name, from.Long)
	}
	fresh := binary + ".new"
	build := exec.CommandContext(ctx, "go", "build", "-ldflags=-s -w", "-o", fresh, ".")
	build.Dir, build.Stdout, build.Stderr = source, os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		return "", fmt.Errorf("build %s in %s: %w", from.Name, source, err)
	}
	return binary, os.Rename(fresh, binary)
}

// moduleDir asks the go command where a module is: the caller may be one of another module.
func moduleDir(ctx context.Context, path string) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", path).Output()
	if err != nil {
		return "", fmt.Errorf("where is %s: %w", path, err)
	}
	return strings.TrimSpace(string(out)), nil
}

// cacheDir is the place of what is built from exactly this source.
func cacheDir(name, source string) (string, error) {
	root := source
	for !exists(filepath.Join(root, "go.mod")) {
		if filepath.Dir(root) == root {
			return "", fmt.Errorf("%s is in no module", source)
		}
		root = filepath.Dir(root)
	}
	own, err := filepath.Glob(filepath.Join(source, "*.go"))
	if err != nil {
		return "", err
	}
	h := sha256.New()
	for _, file := range append([]string{filepath.Join(root, "go.mod"), filepath.Join(root, "go.sum")}, own...) {
		b, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		h.Write(b)
	}
	user, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(user, "starling", name+"-"+hex.EncodeToString(h.Sum(nil)[:8]))
	return dir, os.MkdirAll(dir, 0o755)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}
