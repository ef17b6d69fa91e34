// Package members knows the executable of which the etcd and NATS servers of the tests are processes.
package members

import (
	"context"
	"sync"
	"testing"

	"github.com/starlingkv/starling/internal/lab"
)

var binary = sync.OnceValues(func() (string, error) {
	return lab.Binary(context.Background(), lab.Source{
		Name: "lab-stores", Module: "github.com/starlingkv/starling/lab/stores", Dir: "member",
	})
})

// Program is a server of the kind, etcd or nats, with a configuration file.
func Program(t testing.TB, kind, name, config string) lab.Program {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	return lab.Program{Name: kind + " " + name, Path: path, Args: []string{kind, config}}
}
