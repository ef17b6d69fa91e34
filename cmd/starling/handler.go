package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"time"

	"github.com/starlingkv/starling/kv"
)

// handlerGrace is how long what a command has started may hold the output, after the command itself was ended.
const handlerGrace = time.Second

// handle runs the command of watch --exec for one change, and waits for it.
func (p *program) handle(ctx context.Context, command string, ev change) error {
	if ev.Kind != kv.Put && ev.Kind != kv.Delete {
		return nil
	}
	cmd := exec.CommandContext(ctx, "sh", "-c", command)
	cmd.Env = append(cmd.Environ(),
		"STARLING_WATCH_EVENT="+ev.Kind.String(), "STARLING_WATCH_KEY="+ev.Key, "STARLING_WATCH_FIELD="+ev.field,
		"STARLING_WATCH_VERSION="+ev.Version, "STARLING_WATCH_CODEC="+ev.Codec,
	)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(rawOf(ev.Entry)), p.out, p.err
	cmd.WaitDelay = handlerGrace
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fmt.Errorf("command %q for the %v of %q: %w", command, ev.Kind, ev.Key, err)
	}
	return nil
}
