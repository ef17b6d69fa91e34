// Package prom shows Prometheus what a kv.Client does: how often, how long, with what outcome, and after how many tries of
// CAS. It works on every client, as it only watches its calls ([kv.Instrument]).
//
//	starling_kv_operations_total{op,outcome}   calls that have ended
//	starling_kv_operation_seconds{op}          how long they took; watches, which are meant to last, are left out
//	starling_kv_cas_attempts_total             how often the function of a CAS ran
//	starling_kv_told_total{op}                 values and events that watches and listings have told, once they ended
//
// To tell clients apart, give each a registerer with a label of its own: prometheus.WrapRegistererWith.
package prom

import (
	"context"
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/starlingkv/starling/kv"
)

// buckets go from a read in memory to a store on another continent that is retried.
var buckets = []float64{1e-6, 5e-6, 25e-6, 100e-6, 500e-6, .0025, .01, .05, .25, 1, 5}

// metrics are those of one registerer.
type metrics struct {
	calls    *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	attempts prometheus.Counter
	told     *prometheus.CounterVec
}

// Instrument returns a client that does what c does and counts it. Several clients with the same registerer share their
// counts. It fails if the registerer has other metrics of these names.
func Instrument(c kv.Client, reg prometheus.Registerer) (kv.Client, error) {
	m := metrics{
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "starling_kv_operations_total",
			Help: "Calls of a key-value client that have ended, by operation and outcome.",
		}, []string{"op", "outcome"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "starling_kv_operation_seconds",
			Help:    "How long calls of a key-value client took, by operation. Watches are left out.",
			Buckets: buckets,
		}, []string{"op"}),
		attempts: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "starling_kv_cas_attempts_total",
			Help: "How often the function of a CAS ran.",
		}),
		told: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "starling_kv_told_total",
			Help: "Values and events told by watches and listings that have ended, by operation.",
		}, []string{"op"}),
	}
	err := errors.Join(
		register(reg, &m.calls), register(reg, &m.seconds), register(reg, &m.attempts), register(reg, &m.told))
	if err != nil {
		return nil, fmt.Errorf("prom: %w", err)
	}
	return kv.Instrument(c, m.observe), nil
}

// register registers the collector, or puts the one there that an earlier client registered.
func register[C prometheus.Collector](reg prometheus.Registerer, c *C) error {
	err := reg.Register(*c)
	var twice prometheus.AlreadyRegisteredError
	if !errors.As(err, &twice) {
		return err
	}
	there, same := twice.ExistingCollector.(C)
	if !same {
		return err
	}
	*c = there
	return nil
}

// observe counts one call.
func (m metrics) observe(_ context.Context, call kv.Call) {
	m.calls.WithLabelValues(call.Op, outcome(call.Err)).Inc()
	if call.Op != "watch" {
		m.seconds.WithLabelValues(call.Op).Observe(call.Took.Seconds())
	}
	m.attempts.Add(float64(call.Attempts))
	if call.Told > 0 {
		m.told.WithLabelValues(call.Op).Add(float64(call.Told))
	}
}

// outcomes names the causes of errors, most telling first: ErrNotReady comes with the end of the ctx that waited.
var outcomes = []struct {
	err  error
	name string
}{
	{kv.ErrConflict, "conflict"},
	{kv.ErrNoChange, "no_change"},
	{kv.ErrNotReady, "not_ready"},
	{kv.ErrClosed, "closed"},
	{kv.ErrTooLarge, "too_large"},
	{kv.ErrType, "type"},
	{kv.ErrDecode, "decode"},
	{kv.ErrNotLinearizable, "not_linearizable"},
	{kv.ErrUnsupported, "unsupported"},
	{kv.ErrClockSkew, "clock_skew"},
	{kv.ErrBadKey, "bad_key"},
	{kv.ErrNameTaken, "name_taken"},
	{kv.ErrUnknown, "unknown"},
	{kv.ErrUnreachable, "unreachable"},
	{context.Canceled, "canceled"},
	{context.DeadlineExceeded, "deadline"},
}

func outcome(err error) string {
	if err == nil {
		return "ok"
	}
	for _, o := range outcomes {
		if errors.Is(err, o.err) {
			return o.name
		}
	}
	return "error"
}
