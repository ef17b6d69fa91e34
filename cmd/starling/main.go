// Command starling is a node of a cluster, and the client of one: dev and server run nodes; get, put, watch and the
// others speak to a running one over HTTP.
//
// Data goes to stdout and talk to stderr. JSON output and exit codes are a contract, tables are not. Every flag can be
// given as an environment variable, whose name stands in the help.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program the hard way
	p := program{
		in:     os.Stdin,
		out:    os.Stdout,
		err:    os.Stderr,
		tty:    term.IsTerminal(int(os.Stdout.Fd())),
		talks:  term.IsTerminal(int(os.Stderr.Fd())),
		asks:   term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stderr.Fd())),
		getenv: os.Getenv,
	}
	code := p.run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

// program is one run of the command and what of the world it sees.
type program struct {
	in       io.Reader
	out, err io.Writer
	tty      bool // out is a terminal
	talks    bool // err is a terminal
	asks     bool // there is somebody to ask: in and err are a terminal
	getenv   func(string) string

	global globals
}

// run runs the command line and returns the exit code.
func (p *program) run(ctx context.Context, args []string) int {
	root := p.rootCommand()
	root.SetArgs(args)
	root.SetIn(p.in)
	root.SetOut(p.out)
	root.SetErr(p.err)
	err := root.ExecuteContext(ctx)
	return p.report(ctx, err)
}
