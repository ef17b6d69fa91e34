package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/starlingkv/starling/kv"
)

// writeFlags are the flags of put and create.
type writeFlags struct {
	ifVersion string
	ifAbsent  bool
	ttl       time.Duration
	codec     string
	media     string
}

func (w *writeFlags) bind(c *cobra.Command) {
	c.Flags().DurationVar(&w.ttl, "ttl", 0, "let the value expire after this time")
	c.Flags().StringVar(&w.codec, "codec", kv.Bytes.CodecID(), "the kind of value, as the programs that read it name it")
	c.Flags().StringVar(&w.media, "media-type", "", "media type of the value, as application/json, for those that get it by HTTP")
	bindField(c)
}

// write is the write the flags ask for.
func (w *writeFlags) write(ctx context.Context) (kv.Write, error) {
	var opts []kv.PutOption
	if err := kv.CheckMedia(w.media); err != nil {
		return kv.Write{}, fmt.Errorf("--media-type: %w", err)
	}
	switch {
	case w.ttl < 0:
		return kv.Write{}, fmt.Errorf("--ttl %v: want a time above zero", w.ttl)
	case w.ifAbsent && w.ifVersion != "":
		return kv.Write{}, errors.New("--if-absent and --if-version exclude each other")
	case w.ifAbsent:
		opts = append(opts, kv.IfAbsent())
	case w.ifVersion != "":
		opts = append(opts, kv.IfVersion(w.ifVersion))
	}
	return kv.PutWrite(ctx, append(opts, kv.TTL(w.ttl))...), nil
}

func (p *program) putCommand() *cobra.Command {
	var flags writeFlags
	c := p.writeCommand("put", "write a value and print its version; without a value, or with -, from stdin", &flags)
	c.Flags().StringVar(&flags.ifVersion, "if-version", "", "write only if the key has this version")
	c.Flags().BoolVar(&flags.ifAbsent, "if-absent", false, "write only if the key is absent")
	bindNumber(c)
	return c
}

func (p *program) createCommand() *cobra.Command {
	return p.writeCommand("create", "write a value only if the key is absent", &writeFlags{ifAbsent: true})
}

func (p *program) updateCommand() *cobra.Command {
	var flags writeFlags
	c := p.writeCommand("update", "write a value only if the key has this version", &flags)
	c.Use += " --version VERSION"
	c.Flags().StringVar(&flags.ifVersion, "version", "", "the version that put, get -o json or ls -l has told")
	write := c.RunE
	c.RunE = func(c *cobra.Command, args []string) error {
		if flags.ifVersion == "" {
			return usage(c, errors.New("update wants --version; put writes whatever is there"))
		}
		return write(c, args)
	}
	return c
}

// writeCommand is a verb that writes a value, with the flags that all of these have.
func (p *program) writeCommand(verb, short string, flags *writeFlags) *cobra.Command {
	c := &cobra.Command{Use: verb + " KEY [VALUE|-|@FILE]", Short: short, Args: arguments(1, 2), RunE: p.writer(verb, flags)}
	flags.bind(c)
	return c
}

func (p *program) writer(op string, flags *writeFlags) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		if err := errors.Join(checkVersion(c), checkField(c)); err != nil {
			return err
		}
		codec := flags.codec
		field, given := fieldOf(c)
		switch {
		case given && flags.media != "":
			return usage(c, errors.New("--media-type is of a whole value, not of a --field"))
		case given && !c.Flags().Changed("codec"):
			codec = "" // that of the key
		}
		w, err := flags.write(c.Context())
		if err != nil {
			return usage(c, err)
		}
		if query, given, err := numberOf(c, args); given || err != nil {
			if err == nil {
				err = p.number(c, args[0], query, w)
			}
			return err
		}
		body, err := p.value(args[1:])
		if err != nil {
			return err
		}
		return p.verb(func(ctx context.Context, store kv.Backend, args []string) error {
			key := args[0]
			err := kv.CheckKey(key)
			var version string
			if err == nil {
				e := kv.Entry{Key: key, Value: kv.Raw(body), Codec: codec, Media: flags.media, Size: len(body)}
				version, err = store.Store(ctx, e, w)
			}
			if err != nil {
				return kv.Wrap(op, key, err)
			}
			return p.written(record{Key: key, Field: field, Version: version})
		})(c, args)
	}
}

// checkVersion refuses an empty --if-version: in a script it is a variable that was not set, and the write would happen
// whatever is there.
func checkVersion(c *cobra.Command) error {
	if f := c.Flags().Lookup("if-version"); f != nil && f.Changed && f.Value.String() == "" {
		return usage(c, errors.New("--if-version is empty; --if-absent asks for a key that is not there"))
	}
	return nil
}

// written prints what a write has come to.
func (p *program) written(r record) error {
	if f := p.format(asTable); f == asJSON || f == asLines {
		return p.json(f, r)
	}
	_, err := io.WriteString(p.out, r.Version+"\n")
	return err
}

// value is the value of the command line, from stdin or from a file. What comes from stdin or a file is taken as it is.
func (p *program) value(args []string) ([]byte, error) {
	if len(args) == 0 || args[0] == "-" {
		return io.ReadAll(io.LimitReader(p.in, kv.MaxValue+1)) // one more, so that the node refuses what is too large
	}
	if name, ok := strings.CutPrefix(args[0], "@"); ok {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return io.ReadAll(io.LimitReader(f, kv.MaxValue+1))
	}
	return []byte(args[0]), nil
}

func size(n int) string { return strconv.Itoa(n) }
