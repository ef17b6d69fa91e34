package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/starlingkv/starling/cmd/starling/internal/stores"
	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/httpkv"
)

// Exit codes. They are a contract: scripts decide by them.
const (
	exitOK           = 0
	exitError        = 1
	exitUsage        = 2
	exitNotFound     = 3
	exitConflict     = 4
	exitUnreachable  = 5
	exitUnauthorised = 6
	exitCheck        = 7
)

const exitCodes = `0  done
1  another error
2  the command line is wrong
3  the key is not there
4  the key has another version
5  the node cannot be reached, is not ready, or took too long
6  not allowed
7  a check failed: the cluster, or two nodes, do not agree, the node takes no writes, doctor found something, a copy differs from its source, or a configuration is wrong`

// exitCodesTopic is "starling help exit-codes".
func exitCodesTopic() *cobra.Command {
	return &cobra.Command{Use: "exit-codes", Short: "what the exit codes mean", Long: exitCodes}
}

var (
	// errAbsent is the error of a verb whose key is not there.
	errAbsent = errors.New("nothing is stored under it")
	// errDiffer is the error of a status that is not as it should be.
	errDiffer = errors.New("the cluster does not agree")
	// errNoWrites is the error of a status of a node that starts, leaves or has failed.
	errNoWrites = errors.New("the node does not take writes")
	// errFindings is the error of a doctor that found something.
	errFindings = errors.New("something is wrong")
)

// usageError is a command line that cannot be understood.
type usageError struct {
	err  error
	verb string // to ask for help with
}

// Error returns what is wrong.
func (e *usageError) Error() string { return e.err.Error() }

// Unwrap returns the cause.
func (e *usageError) Unwrap() error { return e.err }

func usage(c *cobra.Command, err error) error { return &usageError{err: err, verb: c.CommandPath()} }

// codeOf is the exit code of an error.
func codeOf(err error) int {
	var wrong *usageError
	var problem *httpkv.Problem
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &wrong), errors.Is(err, kv.ErrBadKey):
		return exitUsage
	case errors.Is(err, errAbsent), errors.As(err, new(*memberError)):
		return exitNotFound
	case errors.Is(err, kv.ErrConflict):
		return exitConflict
	case errors.Is(err, errDiffer), errors.Is(err, errNoWrites), errors.Is(err, errFindings), errors.Is(err, errConfig),
		errors.Is(err, errCopyDiffers):
		return exitCheck
	case errors.Is(err, kv.ErrUnreachable), errors.Is(err, context.DeadlineExceeded), errors.Is(err, kv.ErrNotReady):
		return exitUnreachable
	case errors.As(err, &problem) && (problem.Status == 401 || problem.Status == 403):
		return exitUnauthorised
	}
	return exitError
}

// report tells of the error, and what to do next, and returns the exit code. That somebody pressed Ctrl-C is no error.
func (p *program) report(ctx context.Context, err error) int {
	if err == nil || isShown(err) || ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return exitOK
	}
	said := strings.TrimPrefix(stores.Redact(err.Error()), "starling: ") // the library has the same name
	fmt.Fprintf(p.err, "starling: %s\n", strings.ReplaceAll(said, "\n", "\n  "))
	if hint := p.next(err); hint != "" {
		fmt.Fprintf(p.err, "  next: %s\n", stores.Redact(hint))
	}
	return codeOf(err)
}

// next says what to do after an error.
func (p *program) next(err error) string {
	var wrong *usageError
	var problem *httpkv.Problem
	var away *awayError
	errors.As(err, &problem)
	switch code := codeOf(err); {
	case errors.As(err, &wrong):
		return wrong.verb + " --help"
	case code == exitNotFound && errors.As(err, new(*memberError)):
		return "starling members shows the members that are known"
	case code == exitNotFound:
		return "starling ls shows the keys that are there"
	case code == exitConflict && problem != nil && problem.CurrentVersion != "":
		return "read it again; its version is " + problem.CurrentVersion
	case code == exitConflict:
		return "read it again"
	case errors.As(err, new(*failedError)) && errors.Is(err, kv.ErrNotReady):
		return "does a node of this --cluster run where --seed says? Without --require-join it runs alone until one does"
	case errors.As(err, new(*failedError)) && errors.Is(err, kv.ErrNameTaken):
		return "--name gives it another name; without one it makes one up"
	case errors.As(err, &away):
		return "does the store run at " + away.url + "? What is copied already is not copied again"
	case errors.Is(err, kv.ErrNotReady), errors.Is(err, errNoWrites):
		return "the node has not found its cluster yet: look at starling members"
	case errors.Is(err, context.DeadlineExceeded):
		return "--timeout gives it more time; starling status tells whether the node takes writes"
	case code == exitUnreachable:
		return "does a node run at " + p.global.addr + "? starling dev starts three; --addr or STARLING_ADDR names another"
	case errors.Is(err, kv.ErrType) && problem != nil:
		return "--codec writes another kind of value; starling ls -l shows which one is there"
	case errors.Is(err, errDiffer):
		return "writes of the last seconds are left out, so wait and ask again; if it stays, look at starling members"
	}
	return ""
}
