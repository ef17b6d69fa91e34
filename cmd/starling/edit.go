package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"

	"github.com/spf13/cobra"

	"github.com/starlingkv/starling/kv"
)

func (p *program) editCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "edit KEY",
		Short: "change a value in $VISUAL or $EDITOR",
		Long: "Opens the value in an editor and writes what was changed, unless the key has changed too: then the exit code is 4 and\n" +
			"the edited text stays in a file. What is left as it is, is not written. Most editors end the last line of a file.",
		Args: arguments(1, 1),
		RunE: func(c *cobra.Command, args []string) error {
			client, err := p.dial(c)
			if err != nil {
				return err
			}
			defer client.Close()
			return p.edit(c.Context(), client.Backend(), args[0])
		},
	}
}

// edit reads, lets edit, and writes. Only the requests are bound by the timeout.
func (p *program) edit(ctx context.Context, store kv.Backend, key string) (err error) {
	before, err := bounded(ctx, p.global.timeout, func(ctx context.Context) (kv.Entry, error) {
		return load(ctx, store, "edit", key)
	})
	if err != nil {
		return err
	}
	name, err := tempFile(rawOf(before))
	if err != nil {
		return err
	}
	written := false
	defer func() {
		if written {
			err = errors.Join(err, os.Remove(name))
		} else if err != nil {
			err = fmt.Errorf("%w; what was edited is in %s", err, name)
		}
	}()
	closed := p.openEditor(ctx, name)
	body, err := os.ReadFile(name)
	if err == nil && bytes.Equal(body, rawOf(before)) {
		written = true // there is nothing to keep
	}
	if err := errors.Join(closed, err); err != nil {
		return err
	}
	if written {
		fmt.Fprintln(p.err, "nothing was changed")
		return nil
	}
	version, err := bounded(ctx, p.global.timeout, func(ctx context.Context) (string, error) {
		e := kv.Entry{Key: key, Value: kv.Raw(body), Codec: before.Codec, Media: before.Media, Size: len(body)}
		return store.Store(ctx, e, kv.PutWrite(ctx, kv.IfVersion(before.Version), remaining(before)))
	})
	if err != nil {
		return kv.Wrap("edit", key, err)
	}
	written = true
	return p.written(record{Key: key, Version: version})
}

// tempFile writes a file that only the user can read.
func tempFile(b []byte) (name string, err error) {
	f, err := os.CreateTemp("", "starling-edit-")
	if err != nil {
		return "", err
	}
	_, err = f.Write(b)
	return f.Name(), errors.Join(err, f.Close())
}

// openEditor runs the user's editor, which may be a command with arguments.
func (p *program) openEditor(ctx context.Context, name string) error {
	editor := p.getenv("VISUAL")
	if editor == "" {
		editor = p.getenv("EDITOR")
	}
	if editor == "" {
		editor = "vi"
	}
	cmd := exec.CommandContext(ctx, "sh", "-c", editor+` "$1"`, "sh", name)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = p.in, p.err, p.err
	if f, ok := p.err.(*os.File); ok {
		cmd.Stdout = f // a file as it is, so that the editor sees the terminal
	}
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("editor %q: %w", editor, err)
	}
	return nil
}
