// Command dskitbench plays one topic of the benchmark on dskit's memberlist KV,
// with its default configuration, on loopback. DSKIT_COMPRESSION is the one thing
// an operator may tune here: lzw (dskit's default), snappy or off.
package main

import (
	"os"

	"github.com/starlingkv/starling/lab/dskit/bench"
)

func main() { os.Exit(bench.Main(system{}, os.Args[1:], os.Stdout, os.Stderr)) }
