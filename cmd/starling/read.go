package main

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/starlingkv/starling/crdt"
	"github.com/starlingkv/starling/kv"
)

// verb runs f against the node, within the timeout.
func (p *program) verb(f func(ctx context.Context, store kv.Backend, args []string) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		client, err := p.dial(c)
		if err != nil {
			return err
		}
		defer client.Close()
		ctx, cancel := context.WithTimeout(c.Context(), p.global.timeout)
		defer cancel()
		store := client.Backend()
		if name, given := fieldOf(c); given {
			store = client.Field(name)
		}
		return f(ctx, store, args)
	}
}

// bindField registers the flag of a verb that can do with one field of a value what it does with the value.
func bindField(c *cobra.Command) {
	c.Flags().String("field", "", "name of one field of a Map, or an element of a Set, to stand for the whole value")
}

// fieldOf is what the flag names, and whether it was given.
func fieldOf(c *cobra.Command) (name string, given bool) {
	f := c.Flags().Lookup("field")
	if f == nil || !f.Changed {
		return "", false
	}
	return f.Value.String(), true
}

// checkField refuses an empty --field: in a script it is a variable that was not set, and the whole value would be meant.
func checkField(c *cobra.Command) error {
	if name, given := fieldOf(c); given && name == "" {
		return usage(c, errors.New("--field is empty"))
	}
	return nil
}

// load returns the entry of a key that must be there.
func load(ctx context.Context, store kv.Backend, op, key string) (kv.Entry, error) {
	err := kv.CheckKey(key)
	if err != nil {
		return kv.Entry{}, kv.Wrap(op, key, err)
	}
	e, err := store.Load(ctx, key)
	if err == nil && e.Version == "" {
		err = errAbsent
	}
	return e, kv.Wrap(op, key, err)
}

func (p *program) getCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "get KEY [--field NAME]",
		Short: "print the value of a key, and nothing else",
		Args:  arguments(1, 1),
	}
	bindField(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := checkField(c); err != nil {
			return err
		}
		return p.verb(func(ctx context.Context, store kv.Backend, args []string) error {
			e, err := load(ctx, store, "get", args[0])
			if err != nil {
				return err
			}
			field, _ := fieldOf(c)
			return p.got(e, field)
		})(c, args)
	}
	return c
}

// got prints a value, or a field of one.
func (p *program) got(e kv.Entry, field string) error {
	switch f := p.format(asRaw); f {
	case asJSON, asLines:
		r := whole(e)
		r.Field = field
		return p.json(f, r)
	case asTable:
		return p.table([][]string{{"KEY", "VERSION", "VALUE"}, {e.Key, e.Version, shown(rawOf(e))}})
	}
	value := rawOf(e)
	if p.tty && !bytes.HasSuffix(value, []byte("\n")) {
		value = append(value[:len(value):len(value)], '\n') // or the prompt would stand behind it
	}
	_, err := p.out.Write(value)
	return err
}

func (p *program) lsCommand() *cobra.Command {
	var long bool
	c := &cobra.Command{
		Use:   "ls [PREFIX]",
		Short: "list the keys, with -l what is known of them",
		Args:  arguments(0, 1),
	}
	c.Flags().BoolVarP(&long, "long", "l", false, "show version, origin, age, size and codec too")
	c.RunE = p.verb(func(ctx context.Context, store kv.Backend, args []string) error {
		sel := kv.Selection{KeysOnly: true}
		if len(args) > 0 {
			sel.Prefix = args[0]
		}
		records := []record{}
		rows := [][]string{{"KEY", "VERSION", "ORIGIN", "AGE", "SIZE", "CODEC"}}
		for e, err := range store.Scan(ctx, sel) {
			if err != nil {
				return kv.Wrap("list", sel.Prefix, err)
			}
			records = append(records, facts(e))
			rows = append(rows, []string{e.Key, e.Version, orDash(e.Origin), age(e.Updated, time.Now()), sizeOf(e), e.Codec})
		}
		f := p.format(asTable)
		if long && f == asTable {
			return p.table(rows)
		}
		return p.list(f, records)
	})
	return c
}

// sizeOf is the size of an entry that came without its value: a node does not tell that of one that merges, as only the whole
// would tell it.
func sizeOf(e kv.Entry) string {
	if _, merges := crdt.RawKind(e.Codec); merges && e.Size == 0 {
		return "-"
	}
	return size(e.Size)
}

// list prints the records, or only their keys, a line each.
func (p *program) list(f format, records []record) error {
	if f == asJSON {
		return p.json(f, records)
	}
	var out bytes.Buffer
	for _, r := range records {
		if f != asLines {
			out.WriteString(r.Key + "\n")
		} else if err := p.json(f, r); err != nil {
			return err
		}
	}
	_, err := p.out.Write(out.Bytes())
	return err
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
