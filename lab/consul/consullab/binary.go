// Package consullab runs the real Consul agent beside a test: a server of its own, which can be killed, frozen and started
// again, with or without what it stored.
package consullab

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
	"syscall"
)

// modulePath is that of the module this package is in.
const modulePath = "github.com/starlingkv/starling/lab/consul"

// Binary returns the path of the agent, which it builds if it is not in the user's cache: about ten minutes of CPU time,
// once for each agent/go.sum. Two that build at a time wait for one another.
func Binary(ctx context.Context) (string, error) {
	source, err := agentSource(ctx)
	if err != nil {
		return "", err
	}
	dir, err := cacheDir(source)
	if err != nil {
		return "", err
	}
	binary := filepath.Join(dir, "agent")
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
	fmt.Fprintln(os.Stderr, "building the Consul agent of the tests, once: about ten minutes of CPU time")
	fresh := binary + ".new"
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", fresh, ".")
	build.Dir, build.Stdout, build.Stderr = source, os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		return "", fmt.Errorf("build the Consul agent in %s: %w", source, err)
	}
	return binary, os.Rename(fresh, binary)
}

// agentSource asks the go command where this module is: the caller may be one of another module.
func agentSource(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", modulePath).Output()
	if err != nil {
		return "", fmt.Errorf("where is %s: %w", modulePath, err)
	}
	return filepath.Join(strings.TrimSpace(string(out)), "agent"), nil
}

// cacheDir is the place of what is built from exactly this source.
func cacheDir(source string) (string, error) {
	h := sha256.New()
	for _, name := range []string{"go.mod", "go.sum", "main.go"} {
		b, err := os.ReadFile(filepath.Join(source, name))
		if err != nil {
			return "", err
		}
		h.Write(b)
	}
	user, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(user, "starling", "lab-consul-"+hex.EncodeToString(h.Sum(nil)[:8]))
	return dir, os.MkdirAll(dir, 0o755)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// lock waits for the lock of the file. It ends with the process too.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() { f.Close() }, nil
}
