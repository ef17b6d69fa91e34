package main

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/web"
)

// bindNumber registers the flags of put that change a number by what others cannot undo.
func bindNumber(c *cobra.Command) {
	c.Flags().Int64("add", 0, "add this number to a Counter, instead of writing a value")
	c.Flags().Int64("observe", 0, "show this number to a Max, instead of writing a value")
}

// numberOf is the parameter that the flags ask for, and whether they do.
func numberOf(c *cobra.Command, args []string) (query url.Values, given bool, err error) {
	query = url.Values{}
	for _, name := range []string{"add", "observe"} {
		if f := c.Flags().Lookup(name); f != nil && f.Changed {
			query.Set(name, f.Value.String())
		}
	}
	if len(query) == 0 {
		return nil, false, nil
	}
	if len(query) > 1 {
		return nil, true, usage(c, errors.New("--add is of a Counter and --observe of a Max: one of the two"))
	}
	for _, other := range []string{"field", "codec", "media-type", "if-version", "if-absent"} {
		if c.Flags().Changed(other) {
			return nil, true, usage(c, errors.New("--"+other+" does not go with --add and --observe"))
		}
	}
	if len(args) > 1 {
		return nil, true, usage(c, errors.New("--add and --observe stand in the place of a value"))
	}
	return query, true, nil
}

// number changes a number, and prints as a write does; in JSON what it has come to, too.
func (p *program) number(c *cobra.Command, key string, query url.Values, w kv.Write) error {
	if w.TTL > 0 {
		query.Set("ttl", w.TTL.String())
	}
	if err := kv.CheckKey(key); err != nil {
		return kv.Wrap("put", key, err)
	}
	client, err := p.dial(c)
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(c.Context(), p.global.timeout)
	defer cancel()
	var r record
	err = client.Call(ctx, http.MethodPost, "/v1/kv/"+web.EscapeKey(key)+"?"+query.Encode(), &r)
	if err != nil {
		return kv.Wrap("put", key, err)
	}
	return p.written(r)
}
