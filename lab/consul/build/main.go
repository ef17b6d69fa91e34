// Command build builds the Consul agent of the tests, if it is not there yet, and prints where it is.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"github.com/starlingkv/starling/lab/consul/consullab"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	binary, err := consullab.Binary(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, "lab-consul:", err)
		os.Exit(1)
	}
	fmt.Println(binary)
}
