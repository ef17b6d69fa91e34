package main

import (
	"bytes"
	"context"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/starlingkv/starling/kv"
)

func (p *program) exportCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "export [PREFIX]",
		Short: "print every key with its value as JSON lines, as import takes them",
		Long: "Prints one JSON document per key, in key order. What is written meanwhile may be in it or not. It is bound by\n" +
			"--timeout only if that is given.",
		Args: arguments(0, 1),
		RunE: func(c *cobra.Command, args []string) error {
			client, err := p.dial(c)
			if err != nil {
				return err
			}
			defer client.Close()
			ctx, prefix := c.Context(), ""
			if c.Flags().Changed("timeout") {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, p.global.timeout)
				defer cancel()
			}
			if len(args) > 0 {
				prefix = args[0]
			}
			return p.export(ctx, client.Backend(), prefix)
		},
	}
}

// export prints as it reads: what is exported need not fit into memory.
func (p *program) export(ctx context.Context, store kv.Backend, prefix string) error {
	f := p.format(asLines)
	var rows [][]string
	n := 0
	for e, err := range store.Scan(ctx, kv.Selection{Prefix: prefix}) {
		if err != nil {
			return kv.Wrap("list", prefix, err)
		}
		switch f {
		case asTable:
			rows = append(rows, []string{e.Key, e.Version, e.Codec, shown(rawOf(e))})
		case asRaw:
			_, err = p.out.Write(append(bytes.Clone(rawOf(e)), '\n'))
		case asJSON:
			err = p.element(n, whole(e))
		default:
			err = p.json(f, whole(e))
		}
		if err != nil {
			return err
		}
		n++
	}
	switch f {
	case asTable:
		return p.table(append([][]string{{"KEY", "VERSION", "CODEC", "VALUE"}}, rows...))
	case asJSON:
		return p.endArray(n)
	}
	return nil
}

// element prints the nth element of an array.
func (p *program) element(n int, v any) error {
	lead := ",\n"
	if n == 0 {
		lead = "[\n"
	}
	if _, err := io.WriteString(p.out, lead); err != nil {
		return err
	}
	return p.json(asLines, v)
}

func (p *program) endArray(n int) error {
	text := "]\n"
	if n == 0 {
		text = "[]\n"
	}
	_, err := io.WriteString(p.out, text)
	return err
}

// remaining is the time to live that an entry still has: none, if it does not expire.
func remaining(e kv.Entry) kv.PutOption {
	if e.Expires.IsZero() {
		return kv.TTL(0)
	}
	return kv.TTL(max(time.Until(e.Expires), time.Millisecond))
}

// bounded calls f with a context that ends after the timeout.
func bounded[T any](ctx context.Context, timeout time.Duration, f func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return f(ctx)
}
