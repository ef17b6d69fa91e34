package main

import (
	"context"
	"errors"
	"io"
	"iter"
	"slices"

	"github.com/spf13/cobra"

	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/httpkv"
)

// watchFlags are the flags of watch.
type watchFlags struct {
	prefix  string
	since   string
	exec    string
	once    bool
	noRetry bool
}

func (p *program) watchCommand() *cobra.Command {
	var flags watchFlags
	c := &cobra.Command{
		Use:   "watch KEY [--field NAME] | watch --prefix PREFIX",
		Short: "print the present state, then every change",
		Long: "Prints the present state, then every change, until Ctrl-C. Changes of one key coalesce to the latest; the last\n" +
			"one is never left out. With --once it ends after the present state, or, if there is none, after the first change.\n\n" +
			"With --since each event in JSON has an id. A later watch --since ID of the same node begins behind that event, if the\n" +
			"node still knows it; else with a reset and the state anew. An empty ID begins with the present state.\n\n" +
			"With --exec nothing is printed: the command runs in a shell for each put and delete, one after the other, with the value\n" +
			"on stdin and STARLING_WATCH_EVENT, _KEY, _FIELD, _VERSION and _CODEC in its environment. If it fails, the watch ends.",
		Args: arguments(0, 1),
	}
	c.Flags().StringVar(&flags.prefix, "prefix", "", "watch every key with this prefix; all keys if it is empty")
	c.Flags().StringVar(&flags.since, "since", "", "begin behind the event with this id, and tell the ids")
	c.Flags().StringVar(&flags.exec, "exec", "", "run this command for each change instead of printing it")
	c.Flags().BoolVar(&flags.once, "once", false, "end after the present state, or the first change if there is none")
	bindField(c)
	c.Flags().BoolVar(&flags.noRetry, "no-retry", false, "end with exit code 5 when the node goes away, instead of waiting for it")
	c.RunE = func(c *cobra.Command, args []string) error {
		sel, err := flags.selection(c, args)
		if err != nil {
			return err
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
		err = p.knock(ctx, client)
		if err == nil {
			err = p.watch(client.Follow(ctx, sel, flags.following(c)), p.watcher(ctx, c, flags), flags.end())
		}
		return kv.Wrap("watch", sel.Prefix+sel.Key, err)
	}
	return c
}

// selection is what is watched.
func (f watchFlags) selection(c *cobra.Command, args []string) (kv.Selection, error) {
	byPrefix := c.Flags().Changed("prefix")
	_, ofField := fieldOf(c)
	if err := checkField(c); err != nil {
		return kv.Selection{}, err
	}
	switch {
	case byPrefix && ofField:
		return kv.Selection{}, usage(c, errors.New("--field is of one key, not of --prefix"))
	case byPrefix == (len(args) == 1):
		return kv.Selection{}, usage(c, errors.New("watch wants a key or --prefix, one of the two"))
	case c.Flags().Changed("exec") && f.exec == "":
		return kv.Selection{}, usage(c, errors.New("--exec is empty"))
	case byPrefix:
		return kv.Selection{Prefix: f.prefix}, nil
	}
	return kv.Selection{Key: args[0]}, kv.Wrap("watch", args[0], kv.CheckKey(args[0]))
}

func (f watchFlags) following(c *cobra.Command) httpkv.Following {
	how := httpkv.Following{Since: f.since}
	how.Field, _ = fieldOf(c)
	if f.noRetry {
		how.Breaks = httpkv.End
	}
	return how
}

func (f watchFlags) end() until {
	switch {
	case f.once && f.since != "":
		return untilNext
	case f.once:
		return untilTold
	}
	return untilEnd
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
	untilNext              // with the next change, or, if the state is told anew, with that
)

// watch hands what is told to each.
func (p *program) watch(events iter.Seq2[httpkv.Told, error], each func(httpkv.Told) error, end until) error {
	told, synced := false, end == untilNext
	for ev, err := range events {
		if err == nil {
			err = each(ev)
		}
		if err != nil {
			return err
		}
		told = told || ev.Kind == kv.Put || ev.Kind == kv.Delete
		synced = ev.Kind == kv.Synced || synced && ev.Kind != kv.Reset
		if end != untilEnd && told && synced {
			return nil
		}
	}
	return nil
}

// watcher is what is done with each event.
func (p *program) watcher(ctx context.Context, c *cobra.Command, flags watchFlags) func(httpkv.Told) error {
	field, _ := fieldOf(c)
	if flags.exec != "" {
		return func(ev httpkv.Told) error { return p.handle(ctx, flags.exec, change{ev, field}) }
	}
	otherwise := asLines
	if p.tty {
		otherwise = asTable
	}
	f, ids := p.format(otherwise), c.Flags().Changed("since")
	return func(ev httpkv.Told) error {
		if !ids {
			ev.ID = ""
		}
		return p.event(f, change{ev, field})
	}
}

// change is what is told of a key, or of a field of it if that has a name.
type change struct {
	httpkv.Told
	field string
}

// of names what has changed to people.
func (c change) of() string {
	if c.field == "" {
		return c.Key
	}
	return c.Key + " " + c.field
}

// event prints one event. In raw only values are: a line each.
func (p *program) event(f format, ev change) error {
	switch f {
	case asTable:
		switch ev.Kind {
		case kv.Put:
			_, err := io.WriteString(p.out, p.paint(green, "put")+"     "+ev.of()+"  "+shown(rawOf(ev.Entry))+"\n")
			return err
		case kv.Delete:
			_, err := io.WriteString(p.out, p.paint(yellow, "delete")+"  "+ev.of()+"\n")
			return err
		}
		return nil
	case asRaw:
		if ev.Kind != kv.Put {
			return nil
		}
		_, err := p.out.Write(append(slices.Clip(rawOf(ev.Entry)), '\n'))
		return err
	}
	var r record
	switch ev.Kind {
	case kv.Put:
		r = whole(ev.Entry)
		r.Event = "put"
	case kv.Delete:
		r = record{Event: "delete", Key: ev.Key, Version: ev.Version}
	case kv.Synced:
		r.Event = "sync"
	case kv.Reset:
		r.Event = "reset"
	}
	r.ID = ev.ID
	if r.Key != "" {
		r.Field = ev.field
	}
	return p.json(asLines, r)
}
