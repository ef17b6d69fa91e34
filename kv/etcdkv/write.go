package etcdkv

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/starlingkv/starling/internal/note"
	"github.com/starlingkv/starling/kv"
)

// Store is part of kv.Backend.
func (s *store) Store(ctx context.Context, e kv.Entry, w kv.Write) (version string, err error) {
	x, err := s.storing(e, w)
	if err != nil {
		return "", err
	}
	if err := x.do(ctx); err != nil {
		return "", err
	}
	return x.version, nil
}

// Drop is part of kv.Backend.
func (s *store) Drop(ctx context.Context, key string, w kv.Write) error {
	if _, conditional := w.Expected(); !conditional {
		return s.attempt(ctx, func(ctx context.Context, c *clientv3.Client) error {
			_, err := c.Delete(ctx, key, clientv3.WithRange(behind(key)))
			return err
		})
	}
	return s.dropping(key, w).do(ctx)
}

// writing is one write across its tries. A try is a transaction that happens if the key has the revision seen last, and
// else tells what is there.
type writing struct {
	store *store
	key   string
	w     kv.Write
	ttl   time.Duration
	codec string // "" for a removal
	mark  string // of the note: by it the write knows itself again
	then  func(lease clientv3.LeaseID) []clientv3.Op

	expects // what the next try is written over
	lease   lease
	lost    error  // what became of the answer to a try that may have happened
	since   int64  // a revision before the first try
	version string // of what was written
}

// expects is the state of the key that a try is written over.
type expects struct {
	rev   int64
	typed bool // that the codec is the writer's is for the transaction to compare
}

func (s *store) storing(e kv.Entry, w kv.Write) (*writing, error) {
	value, _ := e.Value.(kv.Raw)
	now := time.Now().UTC()
	n := note.Note{Codec: e.Codec, Media: e.Media, Updated: now, Origin: s.origin, Write: rand.Text()[:16]}
	if w.TTL > 0 {
		n.Expires = now.Add(w.TTL)
	}
	line, err := n.Append(nil)
	if err != nil {
		return nil, err
	}
	x := &writing{store: s, key: e.Key, w: w, ttl: w.TTL, codec: e.Codec, mark: n.Write, expects: s.first(w)}
	x.then = func(lease clientv3.LeaseID) []clientv3.Op {
		// The note second: whoever reads or watches meets it right behind its value.
		return []clientv3.Op{
			clientv3.OpPut(e.Key, string(value), clientv3.WithLease(lease)),
			clientv3.OpPut(noteKey(e.Key, e.Codec), string(line), clientv3.WithLease(lease)),
		}
	}
	return x, nil
}

func (s *store) dropping(key string, w kv.Write) *writing {
	x := &writing{store: s, key: key, w: w, expects: s.first(w)}
	x.typed = false
	x.then = func(clientv3.LeaseID) []clientv3.Op {
		return []clientv3.Op{clientv3.OpDelete(key, clientv3.WithRange(behind(key)))}
	}
	return x
}

// first is what the first try expects: what the caller says, or else, for want of a better guess, that there is nothing.
func (s *store) first(w kv.Write) expects {
	version, conditional := w.Expected()
	if !conditional {
		return expects{rev: absent}
	}
	rev := revisionOf(s.cluster.Load(), version)
	return expects{rev: rev, typed: rev > 0}
}

// do tries until there is an answer.
func (x *writing) do(ctx context.Context) error {
	err := x.store.attempt(ctx, x.try)
	if err != nil && x.lost != nil && !errors.Is(err, kv.ErrUnknown) {
		err = fmt.Errorf("%w: %w", kv.ErrUnknown, err)
	}
	return err
}

// try is one attempt, in as many rounds as others write in between.
func (x *writing) try(ctx context.Context, c *clientv3.Client) error {
	if err := x.begin(ctx, c); err != nil {
		return err
	}
	if x.lost != nil && x.mark != "" && x.rev == absent {
		rev, err := x.created(ctx, c)
		if err != nil || rev != 0 {
			x.version = versionOf(x.store.cluster.Load(), rev)
			return err
		}
	}
	for {
		if err := x.lend(ctx, c); err != nil {
			return err
		}
		before := x.store.revision.Load()
		resp, err := c.Txn(ctx).If(x.conditions()...).Then(x.then(x.lease.id)...).
			Else(clientv3.OpGet(x.key, clientv3.WithRange(behind(x.key)))).Commit()
		if errors.Is(err, rpctypes.ErrLeaseNotFound) {
			x.lease = lease{} // it ran out on the way; the write did not happen
			continue
		}
		if err != nil {
			if !unsent(err) {
				x.lost = err
			}
			return err
		}
		of := x.store.met(resp.Header.ClusterId)
		x.store.saw(before, resp.Header.Revision)
		if resp.Succeeded {
			x.version = versionOf(of.cluster, resp.Header.Revision)
			return x.lease.prolong(ctx, c)
		}
		done, err := x.meet(of.one(x.key, rowsOf(resp)), resp.Header.Revision)
		if done || err != nil {
			return err
		}
	}
}

func (x *writing) conditions() []clientv3.Cmp {
	conditions := []clientv3.Cmp{clientv3.Compare(clientv3.ModRevision(x.key), "=", x.rev)}
	if x.typed {
		conditions = append(conditions, clientv3.Compare(clientv3.ModRevision(noteKey(x.key, x.codec)), "=", x.rev))
	}
	return conditions
}

// meet looks at what is there instead of what was expected, at a revision of the cluster, and reports whether the write is
// done.
func (x *writing) meet(there entry, at int64) (done bool, err error) {
	removal := x.codec == ""
	if x.since > 0 && there.rev <= x.since && x.since <= at {
		x.lost = nil // nobody wrote the key since before the first try, which so did not happen
	}
	switch {
	case removal && there.Version == "":
		return true, nil // removed, by this or by another
	case !removal && there.write == x.mark:
		x.version = there.Version // an earlier try, whose answer was lost
		return true, nil
	case x.lost != nil && there.rev != x.rev:
		return false, fmt.Errorf("%w: %w: %w", kv.ErrUnknown, kv.ErrUnreachable, reason(x.lost))
	case !x.w.Admits(there.Version):
		return false, kv.ErrConflict
	case !removal && there.Codec != "" && there.Codec != x.codec:
		return false, fmt.Errorf("%w: the key holds %q, not %q", kv.ErrType, there.Codec, x.codec)
	}
	x.expects = expects{rev: there.rev}
	return false, nil
}

// rowsOf returns what the transaction read.
func rowsOf(resp *clientv3.TxnResponse) []*mvccpb.KeyValue {
	if len(resp.Responses) == 0 {
		return nil
	}
	return resp.Responses[0].GetResponseRange().GetKvs()
}

// spare is what a lease lasts longer than the TTL, for the time between its grant and the write.
const spare = time.Second

// lease is what ends a value. The zero lease never does.
type lease struct {
	id      clientv3.LeaseID
	granted time.Time // or a little before
	spare   time.Duration
}

// lend gets a lease for a value with a TTL, which outlasts that by what is spare. One that no value got in the end runs
// out by itself.
func (x *writing) lend(ctx context.Context, c *clientv3.Client) error {
	if x.ttl <= 0 || x.lease.id != 0 {
		return nil
	}
	granted := time.Now()
	resp, err := c.Grant(ctx, seconds(x.ttl))
	if err != nil {
		return err
	}
	x.lease = lease{id: resp.ID, granted: granted, spare: time.Duration(resp.TTL)*time.Second - x.ttl}
	return nil
}

// seconds is the TTL of a lease for values of this one.
func seconds(ttl time.Duration) int64 {
	const most = clientv3.MaxLeaseTTL
	s := int64(ttl / time.Second)
	if ttl%time.Second > 0 {
		s++
	}
	return min(s+int64(spare/time.Second), most)
}

// prolong begins the lease anew if the write took longer than was spare, so that the value does not go before its time.
func (l lease) prolong(ctx context.Context, c *clientv3.Client) error {
	if l.id == 0 || time.Since(l.granted) < l.spare {
		return nil
	}
	if _, err := c.KeepAliveOnce(ctx, l.id); err != nil {
		return fmt.Errorf("%w: %w: the value is written, but may go before its TTL: %w", kv.ErrUnknown, kv.ErrUnreachable, reason(err))
	}
	return nil
}
