package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/starlingkv/starling/kv"
)

// deleted is what del prints as JSON.
type deleted struct {
	Key       string `json:"key"`
	Field     string `json:"field,omitempty"`
	Tombstone bool   `json:"tombstone"`
}

// deleteFlags are the flags of del.
type deleteFlags struct {
	version string
	prefix  string
	yes     bool
}

func (p *program) delCommand() *cobra.Command {
	var flags deleteFlags
	c := &cobra.Command{
		Use:   "del KEY [--field NAME] | del --prefix PREFIX --yes",
		Short: "delete a key, or every key with a prefix",
		Long: "Deletes a key. With --prefix it deletes every key that has it at that moment, one by one; it asks on a terminal, and\n" +
			"wants --yes elsewhere.",
		Args: arguments(0, 1),
	}
	c.Flags().StringVar(&flags.version, "if-version", "", "delete only if the key has this version")
	c.Flags().StringVar(&flags.prefix, "prefix", "", "delete every key with this prefix")
	bindField(c)
	c.Flags().BoolVar(&flags.yes, "yes", false, "do not ask before the keys of a prefix are deleted")
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := errors.Join(checkVersion(c), checkField(c)); err != nil {
			return err
		}
		field, ofField := fieldOf(c)
		byPrefix := c.Flags().Changed("prefix")
		switch {
		case byPrefix == (len(args) == 1):
			return usage(c, errors.New("del wants a key or --prefix, one of the two"))
		case byPrefix && flags.prefix == "":
			return usage(c, errors.New("--prefix is empty: that is every key, and in a script a variable that was not set"))
		case byPrefix && (flags.version != "" || ofField):
			return usage(c, errors.New("--if-version and --field are of one key, not of --prefix"))
		case byPrefix && !flags.yes && !p.asks && !p.global.curl:
			return usage(c, errors.New("del --prefix wants --yes where nobody can be asked"))
		case byPrefix:
			return p.verb(func(ctx context.Context, store kv.Backend, _ []string) error {
				return p.deletePrefix(ctx, store, flags)
			})(c, args)
		}
		return p.verb(func(ctx context.Context, store kv.Backend, args []string) error {
			return p.deleteKey(ctx, store, deleted{Key: args[0], Field: field, Tombstone: true}, flags.version)
		})(c, args)
	}
	return c
}

func (p *program) deleteKey(ctx context.Context, store kv.Backend, d deleted, version string) error {
	if !p.global.curl {
		if err := present(ctx, store, d.Key); err != nil {
			return err
		}
	}
	w := kv.RemoveWrite()
	if version != "" {
		w = kv.RemoveWrite(kv.IfVersion(version))
	}
	if err := store.Drop(ctx, d.Key, w); err != nil {
		return kv.Wrap("delete", d.Key, err)
	}
	if f := p.format(asTable); f == asJSON || f == asLines {
		return p.json(f, d)
	}
	return nil
}

// present fails if the key that is to be deleted is not there.
func present(ctx context.Context, store kv.Backend, key string) error {
	_, err := load(ctx, store, "delete", key)
	if !errors.Is(err, errAbsent) {
		return err
	}
	// No version is this one, so it removes nothing; but on a node that starts it waits as a write does, and the key
	// may be there then.
	err = store.Drop(ctx, key, kv.RemoveWrite(kv.IfVersion("none")))
	if err != nil && !errors.Is(err, kv.ErrConflict) {
		return kv.Wrap("delete", key, err)
	}
	_, err = load(ctx, store, "delete", key)
	return err
}

// deletePrefix deletes the keys that are there now. What is written meanwhile stays.
func (p *program) deletePrefix(ctx context.Context, store kv.Backend, flags deleteFlags) error {
	var keys []string
	for e, err := range store.Scan(ctx, kv.Selection{Prefix: flags.prefix, KeysOnly: true}) {
		if err != nil {
			return kv.Wrap("list", flags.prefix, err)
		}
		keys = append(keys, e.Key)
	}
	if len(keys) > 0 && !flags.yes && !p.sure(fmt.Sprintf("delete %d keys with the prefix %q?", len(keys), flags.prefix)) {
		return errors.New("nothing was deleted")
	}
	gone := []deleted{}
	for _, key := range keys {
		if err := store.Drop(ctx, key, kv.RemoveWrite()); err != nil {
			return fmt.Errorf("after %d of %d keys: %w", len(gone), len(keys), kv.Wrap("delete", key, err))
		}
		gone = append(gone, deleted{Key: key, Tombstone: true})
	}
	fmt.Fprintf(p.err, "deleted %d keys\n", len(gone))
	switch f := p.format(asTable); f {
	case asJSON:
		return p.json(f, gone)
	case asLines:
		return lines(p, gone)
	}
	return nil
}

// sure asks, and takes nothing but y or yes for an answer.
func (p *program) sure(question string) bool {
	fmt.Fprintf(p.err, "%s [y/N] ", question)
	line, err := bufio.NewReader(p.in).ReadString('\n')
	answer := strings.ToLower(strings.TrimSpace(line))
	return err == nil && (answer == "y" || answer == "yes")
}
