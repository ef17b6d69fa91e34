// Command member is one server of the tests: etcd or NATS, as its own configuration file says.
//
// It prints the line "ready" when it serves, and lives until it is killed or its standard input ends. It is built without
// the race detector (internal/lab), so it imports nothing of this project.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// readyWithin bounds how long a server may take until it serves.
const readyWithin = 30 * time.Second

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "member:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	kinds := map[string]func(config string) error{"etcd": etcd, "nats": nats}
	if len(args) != 2 || kinds[args[0]] == nil {
		return errors.New("usage: member etcd|nats FILE")
	}
	if err := kinds[args[0]](args[1]); err != nil {
		return fmt.Errorf("%s %s: %w", args[0], args[1], err)
	}
	fmt.Println("ready")
	_, err := io.Copy(io.Discard, os.Stdin) // ends with the test
	return err
}
