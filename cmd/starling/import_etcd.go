package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/starlingkv/starling/kv"
)

// etcdBegins is how the one document begins that etcdctl get -w json prints.
const etcdBegins = `{"header":`

// etcdKey is one key of it. A key may be any bytes there.
type etcdKey struct {
	Key   []byte `json:"key"`
	Value []byte `json:"value"`
}

// readEtcd reads the document as it comes, which may be larger than memory. Its keys are numbered from 1, as lines are.
func readEtcd(in io.Reader, deal func(line, error) error) error {
	dec := json.NewDecoder(in)
	if _, err := dec.Token(); err != nil {
		return err
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return err
		}
		if name != "kvs" {
			var other json.RawMessage // header, count, more
			if err := dec.Decode(&other); err != nil {
				return fmt.Errorf("etcd: %v: %w", name, err)
			}
			continue
		}
		if err := readEtcdKeys(dec, deal); err != nil {
			return err
		}
	}
	_, err := dec.Token()
	return err
}

func readEtcdKeys(dec *json.Decoder, deal func(line, error) error) error {
	if _, err := dec.Token(); err != nil {
		return err
	}
	for number := 1; dec.More(); number++ {
		var k etcdKey
		if err := dec.Decode(&k); err != nil {
			return fmt.Errorf("etcd: key %d: %w", number, err)
		}
		l := line{number: number, Key: string(k.Key), ValueBase64: &k.Value, Codec: kv.Bytes.CodecID()}
		if err := deal(l, kv.CheckKey(l.Key)); err != nil {
			return err
		}
	}
	_, err := dec.Token()
	return err
}
