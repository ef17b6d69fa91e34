package prom_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/kvtest"
	"github.com/starlingkv/starling/kv/memkv"
	"github.com/starlingkv/starling/prom"
)

func instrument(t testing.TB, c kv.Client, reg prometheus.Registerer) kv.Client {
	t.Helper()
	out, err := prom.Instrument(c, reg)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestContract: an instrumented client is what it was.
func TestContract(t *testing.T) {
	kvtest.Run(t, kvtest.Suite{
		Around: synctest.Test,
		New: func(t testing.TB, log *slog.Logger) kvtest.Store {
			mem, reg := memkv.New(kv.Bytes, memkv.Logger(log)), prometheus.NewRegistry()
			t.Cleanup(func() { mem.Close() })
			return kvtest.Store{
				Client: func(codec kv.Codec) kv.Client { return instrument(t, mem.With(codec), reg) },
				Close:  func() { mem.Close() },
			}
		},
	})
}

func TestCounts(t *testing.T) {
	reg := prometheus.NewRegistry()
	mem := memkv.New(kv.String)
	t.Cleanup(func() { mem.Close() })
	c, second := instrument(t, mem, reg), instrument(t, mem, reg)
	ctx := t.Context()
	write := func(any) (any, bool, error) { return "v", true, nil }
	lost := func(any) (any, bool, error) { return nil, true, errors.New("again") }
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	for name, call := range map[string]func() error{
		"cas":          func() error { return c.CAS(ctx, "k", write) },
		"cas, another": func() error { return second.CAS(ctx, "k", write) },
		"cas, lost":    func() error { return c.CAS(ctx, "other", lost) },
		"get":          func() error { _, err := c.Get(ctx, "k"); return err },
		"bad key":      func() error { _, err := c.Get(ctx, ""); return err },
		"canceled":     func() error { _, err := c.List(canceled, ""); return err },
		"conflict": func() error {
			v, _ := kv.As[kv.Versioned](c)
			_, err := v.Put(ctx, "k", "v", kv.IfVersion("no"))
			return err
		},
	} {
		err := call()
		if wantsErr := name != "get" && name != "cas" && name != "cas, another"; (err != nil) != wantsErr {
			t.Fatalf("%s: %v", name, err)
		}
	}
	c.WatchKey(ctx, "k", func(any) bool { return false })
	want := `
# HELP starling_kv_cas_attempts_total How often the function of a CAS ran.
# TYPE starling_kv_cas_attempts_total counter
starling_kv_cas_attempts_total 12
# HELP starling_kv_operations_total Calls of a key-value client that have ended, by operation and outcome.
# TYPE starling_kv_operations_total counter
starling_kv_operations_total{op="cas",outcome="error"} 1
starling_kv_operations_total{op="cas",outcome="ok"} 2
starling_kv_operations_total{op="get",outcome="bad_key"} 1
starling_kv_operations_total{op="get",outcome="ok"} 1
starling_kv_operations_total{op="list",outcome="canceled"} 1
starling_kv_operations_total{op="put",outcome="conflict"} 1
starling_kv_operations_total{op="watch",outcome="ok"} 1
# HELP starling_kv_told_total Values and events told by watches and listings that have ended, by operation.
# TYPE starling_kv_told_total counter
starling_kv_told_total{op="watch"} 1
`
	counters := []string{"starling_kv_operations_total", "starling_kv_cas_attempts_total", "starling_kv_told_total"}
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), counters...); err != nil {
		t.Error(err)
	}
	if n, err := testutil.GatherAndCount(reg, "starling_kv_operation_seconds"); err != nil || n != 4 {
		t.Errorf("%d operations have a latency, want cas, get, list and put: %v", n, err)
	}
	if problems, err := testutil.GatherAndLint(reg); err != nil || len(problems) > 0 {
		t.Errorf("the linter of metrics says %v, %v", problems, err)
	}
}

func TestANameThatIsTaken(t *testing.T) {
	reg := prometheus.NewRegistry()
	reg.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "starling_kv_cas_attempts_total", Help: "something else"}))
	if _, err := prom.Instrument(memkv.New(kv.Bytes), reg); err == nil {
		t.Error("Instrument takes a registerer in which the name means something else")
	}
}
