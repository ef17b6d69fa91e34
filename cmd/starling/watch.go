package main

import (
	"context"
	"errors"
	"io"

	"github.com/spf13/cobra"

	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/httpkv"
)

func (p *program) watchCommand() *cobra.Command {
	var prefix string
	var once bool
	c := &cobra.Command{
		Use:   "watch KEY | watch --prefix PREFIX",
		Short: "print the present state, then every change",
		Long: "Prints the present state, then every change, until Ctrl-C. Changes of one key coalesce to the latest; the last\n" +
			"one is never left out. With --once it ends after the present state, or, if there is none, after the first change.",
		Args: arguments(0, 1),
	}
	c.Flags().StringVar(&prefix, "prefix", "", "watch every key with this prefix; all keys if it is empty")
	c.Flags().BoolVar(&once, "once", false, "end after the present state, or the first change if there is none")
	c.RunE = func(c *cobra.Command, args []string) error {
		sel := kv.Selection{Prefix: prefix}
		switch byPrefix := c.Flags().Changed("prefix"); {
		case byPrefix == (len(args) == 1):
			return usage(c, errors.New("watch wants a key or --prefix, one of the two"))
		case !byPrefix:
			if err := kv.CheckKey(args[0]); err != nil {
				return kv.Wrap("watch", args[0], err)
			}
			sel = kv.Selection{Key: args[0]}
		}
		client, err := p.dial(c)
		if err != nil {
			return err
		}
		defer client.Close()
		ctx := c.Context()
		if c.Flags().Changed("timeout") {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, p.global.timeout)
			defer cancel()
		}
		if err := p.knock(ctx, client); err != nil {
			return kv.Wrap("watch", sel.Prefix+sel.Key, err)
		}
		how := untilEnd
		if once {
			how = untilTold
		}
		return p.watch(ctx, client.Backend(), sel, how)
	}
	return c
}

// knock fails if no node answers. A watch would try for ever, which is right only once it has worked.
func (p *program) knock(ctx context.Context, client *httpkv.Client) error {
	if p.global.curl {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, p.global.timeout)
	defer cancel()
	_, err := client.Backend().Load(ctx, "-")
	return err
}

// until is when a watch ends by itself.
type until int

const (
	untilEnd  until = iota // never
	untilTold              // with the present state, or the first change if there is none
)

func (p *program) watch(ctx context.Context, store kv.Backend, sel kv.Selection, end until) error {
	otherwise := asLines
	if p.tty {
		otherwise = asTable
	}
	f := p.format(otherwise)
	told, synced := false, false
	for ev, err := range store.Feed(ctx, sel) {
		if err != nil {
			return kv.Wrap("watch", sel.Prefix+sel.Key, err)
		}
		if err := p.event(f, ev); err != nil {
			return err
		}
		told = told || ev.Kind == kv.Put || ev.Kind == kv.Delete
		synced = synced || ev.Kind == kv.Synced
		if end == untilTold && told && synced {
			return nil
		}
	}
	return nil
}

// event prints one event. In raw only values are: a line each.
func (p *program) event(f format, ev kv.Event) error {
	switch f {
	case asTable:
		switch ev.Kind {
		case kv.Put:
			_, err := io.WriteString(p.out, p.paint(green, "put")+"     "+ev.Key+"  "+shown(rawOf(ev.Entry))+"\n")
			return err
		case kv.Delete:
			_, err := io.WriteString(p.out, p.paint(yellow, "delete")+"  "+ev.Key+"\n")
			return err
		}
		return nil
	case asRaw:
		if ev.Kind != kv.Put {
			return nil
		}
		_, err := p.out.Write(append(rawOf(ev.Entry)[:ev.Size:ev.Size], '\n'))
		return err
	}
	switch ev.Kind {
	case kv.Put:
		r := whole(ev.Entry)
		r.Event = "put"
		return p.json(asLines, r)
	case kv.Delete:
		return p.json(asLines, record{Event: "delete", Key: ev.Key, Version: ev.Version})
	case kv.Synced:
		return p.json(asLines, record{Event: "sync"})
	case kv.Reset:
		return p.json(asLines, record{Event: "reset"})
	}
	return nil
}
