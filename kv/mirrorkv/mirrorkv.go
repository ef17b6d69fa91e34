// Package mirrorkv is one kv.Client over two stores: every write goes to the primary and then to the secondary, reads come
// from the primary, and which is which can be switched while it runs. It is how a team moves from one store to another.
//
// After each write of the primary the key is read there and made equal at the secondary, under a condition on what the
// secondary held: of several writers, in one process or in many, the last to finish leaves the newest value (pair.go). A
// write whose copy fails, or takes longer than [Wait], has succeeded nevertheless; its key is behind, and one goroutine
// brings such keys up. Until that succeeds no further write waits for the secondary. Keys behind are a set: it
// coalesces, and past its bound a comparison of everything takes its place.
//
// [Copy], [Follow] and [Compare] do the same between any two stores, without a mirror: `starling copy` is made of them.
package mirrorkv

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/starlingkv/starling/kv"
)

// Client is a kv.Client over a primary and a secondary store. It is safe for concurrent use and has all optional
// interfaces. It owns neither store.
//
// Processes that mirror the same two stores must be switched together: while they disagree on the primary, a CAS of one
// does not see those of the other.
type Client struct {
	kit     kv.Kit
	speaks  kv.Codec
	options options
	behind  behind
	counts  counts
	life    context.Context // ends with kv.ErrClosed
	stop    context.CancelCauseFunc
	running sync.WaitGroup
	turn    turn
}

type options struct {
	log    *slog.Logger
	wait   time.Duration
	verify time.Duration
	report func(Report)
}

// Option is an option of [New].
type Option func(*options)

// Logger makes the client log to log, where it discards without.
func Logger(log *slog.Logger) Option { return func(o *options) { o.log = log } }

// Wait bounds how long a write waits for the secondary. Default 2 s. After a failure no write waits until the background
// has brought a key up.
func Wait(d time.Duration) Option { return func(o *options) { o.wait = d } }

// VerifyEvery lets a goroutine compare both stores at this interval and hand the report to f, which must not block for
// long. Without it nothing is compared unless [Client.Verify] is called.
func VerifyEvery(d time.Duration, f func(Report)) Option {
	return func(o *options) { o.verify, o.report = d, f }
}

// New returns a mirror of primary in secondary, whose clients both speak codec. What the primary holds already is not
// copied: call [Client.Copy]. Close it to end its goroutines.
func New(codec kv.Codec, primary, secondary kv.Client, opts ...Option) (*Client, error) {
	p, err := pairOf(codec, primary, secondary)
	if err != nil {
		return nil, err
	}
	c := &Client{speaks: codec, options: options{wait: 2 * time.Second}}
	for _, opt := range opts {
		opt(&c.options)
	}
	if c.options.wait <= 0 || c.options.verify < 0 || (c.options.verify > 0) != (c.options.report != nil) {
		return nil, fmt.Errorf("mirrorkv: Wait and VerifyEvery take a time above zero, and VerifyEvery a function")
	}
	c.kit.Log = c.options.log
	if c.options.log == nil {
		c.options.log = slog.New(slog.DiscardHandler)
	}
	c.life, c.stop = context.WithCancelCause(context.Background())
	c.turn.now = c.eraOf(p)
	c.behind.wake = make(chan struct{}, 1)
	c.running.Go(c.catchUp)
	if c.options.verify > 0 {
		c.running.Go(c.verifier)
	}
	return c, nil
}

// Close ends the mirror's watches and goroutines; every later call is kv.ErrClosed. The two stores stay open. It returns
// an error if keys are behind: the secondary lacks their last values. It may be called again.
func (c *Client) Close() error {
	c.stop(kv.ErrClosed)
	c.running.Wait()
	if n := c.behind.size(); n != 0 {
		return fmt.Errorf("mirrorkv: closed with %s behind: the secondary lacks their last values", n)
	}
	return nil
}

// eraOf is a time that begins now, in which the pair's from is the primary. It ends with the mirror at the latest.
func (c *Client) eraOf(p pair) *era {
	e := &era{pair: p}
	e.over, e.end = context.WithCancelCause(c.life)
	return e
}

// open returns the primary, or ErrClosed.
func (c *Client) open() (side, error) {
	now := c.turn.present()
	if now.closed() {
		return side{}, kv.ErrClosed
	}
	return now.from, nil
}

// Switch makes the secondary the primary, and the primary the secondary. It first brings up all keys behind, and fails,
// with nothing changed, if it cannot before ctx ends. It waits for the writes that run, and those that come wait for it;
// reads wait for nobody. Watches are told a Reset and the state of the new primary.
func (c *Client) Switch(ctx context.Context) error {
	err := errMany
	for errors.Is(err, errMany) {
		if err = c.Flush(ctx); err != nil { // most of it while writes go on
			break
		}
		if err = c.turn.hold(ctx); err == nil {
			err = c.switchHeld(ctx)
			c.turn.release()
		}
	}
	if err != nil {
		return fmt.Errorf("mirrorkv: not switched: %w", err)
	}
	return nil
}

// errMany says that more is behind than writes should be held up for.
var errMany = errors.New("very many keys fell behind meanwhile")

// switchHeld brings up what has fallen behind since, and switches. Caller holds the writes.
func (c *Client) switchHeld(ctx context.Context) error {
	now := c.turn.present()
	if c.behind.size() == many {
		return errMany
	}
	if err := c.flushKeys(ctx, now.sync); err != nil {
		return err
	}
	c.turn.begin(c.eraOf(pair{from: now.to, to: now.from, codec: now.codec}))
	return nil
}
