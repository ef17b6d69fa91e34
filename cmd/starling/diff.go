package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/httpkv"
)

// difference is a key that two nodes do not hold alike. The version of an absent key is empty.
type difference struct {
	Key string `json:"key"`
	A   string `json:"a"`
	B   string `json:"b"`
}

func (p *program) diffCommand() *cobra.Command {
	var prefix string
	c := &cobra.Command{
		Use:   "diff A B",
		Short: "compare the keys of two nodes, at two addresses; exit code 7 if they differ",
		Long: "Compares what two nodes hold, by key and version, and prints the keys that differ with both versions. Writes that are\n" +
			"on their way differ too: of a cluster at work, look at what is there twice.",
		Args: arguments(2, 2),
	}
	c.Flags().StringVar(&prefix, "prefix", "", "compare only the keys with this prefix")
	c.RunE = func(c *cobra.Command, args []string) error {
		var nodes [2]*httpkv.Client
		for i, addr := range args {
			client, err := p.dialTo(c, addr)
			if err != nil {
				return err
			}
			defer client.Close()
			nodes[i] = client
		}
		ctx, cancel := context.WithTimeout(c.Context(), p.global.timeout)
		defer cancel()
		found, err := compare(ctx, nodes, prefix)
		if err != nil {
			return err
		}
		if err := p.showDifferences(args, found); err != nil {
			return err
		}
		if len(found) > 0 {
			return fmt.Errorf("%w: %d keys differ", errDiffer, len(found))
		}
		return nil
	}
	return c
}

// compare asks both nodes for one hash each, and lists keys only if these differ.
func compare(ctx context.Context, nodes [2]*httpkv.Client, prefix string) ([]difference, error) {
	var hashes [2]string
	for i, node := range nodes {
		var d struct {
			Hash string `json:"hash"`
		}
		if err := node.JSON(ctx, "/v1/digest?"+url.Values{"prefix": {prefix}}.Encode(), &d); err != nil {
			return nil, err
		}
		hashes[i] = d.Hash
	}
	if hashes[0] == hashes[1] {
		return []difference{}, nil
	}
	sel := kv.Selection{Prefix: prefix, KeysOnly: true}
	return merge(nodes[0].Backend().Scan(ctx, sel), nodes[1].Backend().Scan(ctx, sel))
}

// merge walks two listings in key order side by side.
func merge(a, b iter.Seq2[kv.Entry, error]) ([]difference, error) {
	nextA, stopA := iter.Pull2(a)
	defer stopA()
	nextB, stopB := iter.Pull2(b)
	defer stopB()
	found := []difference{}
	ea, errA, okA := nextA()
	eb, errB, okB := nextB()
	for okA || okB {
		if err := errors.Join(errA, errB); err != nil {
			return nil, err
		}
		inA := okA && (!okB || ea.Key <= eb.Key)
		inB := okB && (!okA || eb.Key <= ea.Key)
		var d difference
		if inA {
			d.Key, d.A = ea.Key, ea.Version
			ea, errA, okA = nextA()
		}
		if inB {
			d.Key, d.B = eb.Key, eb.Version
			eb, errB, okB = nextB()
		}
		if d.A != d.B {
			found = append(found, d)
		}
	}
	return found, nil
}

func (p *program) showDifferences(addrs []string, found []difference) error {
	switch f := p.format(asTable); f {
	case asJSON:
		return p.json(f, found)
	case asLines:
		return lines(p, found)
	case asRaw:
		for _, d := range found {
			if _, err := fmt.Fprintln(p.out, d.Key); err != nil {
				return err
			}
		}
		return nil
	}
	if len(found) == 0 {
		_, err := fmt.Fprintln(p.out, "no difference")
		return err
	}
	rows := [][]string{{"KEY", addrs[0], addrs[1]}}
	for _, d := range found {
		rows = append(rows, []string{d.Key, orDash(d.A), orDash(d.B)})
	}
	return p.table(rows)
}
