package main

import (
	"errors"

	"github.com/starlingkv/starling/lab/dskit/bench"
)

// Pair is part of bench.System: two nodes that do not know each other.
func (system) Pair() (bench.Pair, error) {
	first, err := start("node-0", "")
	if err != nil {
		return nil, err
	}
	second, err := start("node-1", "")
	if err != nil {
		return nil, errors.Join(err, first.Close())
	}
	return &pair{first, second}, nil
}

type pair [2]*node

func (p *pair) Load(keys []string, generation int) error {
	return errors.Join(p[0].Load(keys, generation), p[1].Load(keys, generation))
}

func (p *pair) Change(keys []string, generation int) error {
	p[1].drain() // what it would pass on of the exchange before
	return p[0].Load(keys, generation)
}

// Exchange is dskit's full sync: both send all they have, before they read.
func (p *pair) Exchange() (bench.Exchange, error) {
	states := [2][]byte{p[0].kv.LocalState(false), p[1].kv.LocalState(false)}
	p[0].kv.MergeRemoteState(states[1], false)
	p[1].kv.MergeRemoteState(states[0], false)
	return bench.Exchange{Bytes: len(states[0]) + len(states[1]), Legs: 2, Same: 2}, nil
}

func (p *pair) Replicas() [2]bench.Reader { return [2]bench.Reader{p[0], p[1]} }

func (p *pair) Close() error { return errors.Join(p[0].Close(), p[1].Close()) }
