package bench

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
)

// An Instance is one row of a registry: what a hash ring keeps of each of its
// members. Seen changes with each heartbeat, the rest hardly ever.
type Instance struct {
	Seen   int64
	Addr   string
	Zone   string
	Tokens []uint32 // sorted
}

// InstanceID names the i-th instance.
func InstanceID(i int) string { return fmt.Sprintf("ingester-zone-%c-%d", 'a'+i%3, i) }

// InstanceIDs names the first n instances.
func InstanceIDs(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = InstanceID(i)
	}
	return ids
}

// MakeInstance makes the i-th instance, as it was seen at the tick.
func MakeInstance(i, tokens int, tick int64) Instance {
	return Instance{
		Seen: SeenAt(tick), Addr: fmt.Sprintf("10.%d.%d.%d:9095", i>>16&255, i>>8&255, i&255),
		Zone: fmt.Sprintf("zone-%c", 'a'+i%3), Tokens: makeTokens(i, tokens),
	}
}

// maxInstances is how many instances can have tokens that none of them share: a
// token is made of a random number and, in its low bits, of the instance.
const maxInstances = 1 << 20

func makeTokens(i, n int) []uint32 {
	rng, tokens := rand.New(rand.NewPCG(1, uint64(i))), make([]uint32, 0, n)
	for len(tokens) < n {
		for range n - len(tokens) {
			tokens = append(tokens, mixed(rng.Uint32()&^(maxInstances-1)|uint32(i)))
		}
		slices.Sort(tokens)
		tokens = slices.Compact(tokens)
	}
	return tokens
}

// mixed gives every number another one, with bits that look random, as those of
// the tokens of a ring are: they must not compress.
func mixed(n uint32) uint32 {
	n = (n ^ n>>16) * 0x85ebca6b
	n = (n ^ n>>13) * 0xc2b2ae35
	return n ^ n>>16
}

// SeenAt is the timestamp, in seconds, of a heartbeat.
func SeenAt(tick int64) int64 { return 1_700_000_000 + tick }

// A Table is what a registry holds, in hand.
type Table interface {
	Get(id string) (Instance, bool)
}

// A Registry is a running node that holds one table of instances under one key.
type Registry interface {
	Addr() string
	Members() int
	Traffic() Traffic
	// Fill stores a table of n instances, each as of tick 1.
	Fill(n, tokens int) error
	// Len is how many instances the table has.
	Len() int
	// Open gets the table.
	Open() Table
	// Heartbeat writes the tick of one instance by CAS.
	Heartbeat(id string, tick int64) error
	// Watch tells of each change with the table in hand. It blocks until ctx ends.
	Watch(ctx context.Context, f func(t Table))
	// WatchOther watches a key that does not change, until ctx ends.
	WatchOther(ctx context.Context, key string)
	Close() error
}

// A Beat is a heartbeat of an instance.
type Beat struct {
	Instance int
	Tick     int64
}

// A Receiver is what a node does with the gossip of a peer, without a network: it
// parses and merges into a table that it holds.
type Receiver interface {
	// Packets returns one delivery per packet, which carries so many heartbeats.
	Packets(beats []Beat, per int) []func()
	// Settle returns when all that was delivered is applied, or lost.
	Settle()
	Open() Table
	Close() error
}

// The registry that most topics are about, and its key.
const (
	tableRows   = 5000
	tableTokens = 512
	RegistryKey = "collectors/ring"
)

// opener is whatever holds a table.
type opener interface{ Open() Table }

// registered notes what the tables hold, beside what was noted before, and fails if
// they differ.
func (r *Report) registered(ids []string, tables ...opener) error {
	states := make([]string, len(tables))
	for i, o := range tables {
		state, err := tableState(ids, o.Open())
		if err != nil {
			return fmt.Errorf("replica %d: %w", i, err)
		}
		states[i] = state
	}
	return r.note(states)
}

// tableState is a hash of all that a table holds.
func tableState(ids []string, table Table) (string, error) {
	h := sha256.New()
	for _, id := range ids {
		in, ok := table.Get(id)
		if !ok {
			return "", fmt.Errorf("no instance %s", id)
		}
		fmt.Fprintf(h, "%d %s %s %d ", in.Seen, in.Addr, in.Zone, len(in.Tokens))
		for _, tok := range in.Tokens {
			h.Write(binary.BigEndian.AppendUint32(nil, tok))
		}
	}
	return fmt.Sprintf("%d instances %s", len(ids), hex.EncodeToString(h.Sum(nil)[:8])), nil
}

// filled starts a lone node with a table.
func filled(s System, n, tokens int) (Registry, error) {
	reg, err := s.StartRegistry("node-0", "")
	if err != nil {
		return nil, err
	}
	if err := reg.Fill(n, tokens); err != nil {
		_ = reg.Close()
		return nil, err
	}
	if got := reg.Len(); got != n {
		_ = reg.Close()
		return nil, fmt.Errorf("%d instances after filling in %d", got, n)
	}
	return reg, nil
}
