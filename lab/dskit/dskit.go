// Package dskit holds what starling says about dskit to dskit's own code.
//
// Its tests hand starling's clients to dskit. cmd/dskitbench is dskit's side of
// the benchmark whose other side is in the module bench.
package dskit
