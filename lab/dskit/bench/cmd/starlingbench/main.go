// Command starlingbench plays one topic of the benchmark on starling.
package main

import (
	"os"

	"github.com/starlingkv/starling/lab/dskit/bench"
	"github.com/starlingkv/starling/lab/dskit/bench/ours"
)

func main() { os.Exit(bench.Main(ours.System{}, os.Args[1:], os.Stdout, os.Stderr)) }
