package mirrorkv_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/memkv"
	"github.com/starlingkv/starling/kv/mirrorkv"
)

func fill(t *testing.T, c kv.Versioned, n int) {
	t.Helper()
	for i := range n {
		put(t, c, fmt.Sprintf("k%05d", i), fmt.Sprint("value ", i))
	}
}

func TestCopyCopiesWhatDiffers(t *testing.T) {
	a, b := store(t), store(t)
	fill(t, a, 1000)
	put(t, b, "k00003", "old")
	put(t, b, "extra", "mine")
	job := mirrorkv.Job{From: a, To: b, Codec: kv.String}
	done, err := mirrorkv.Copy(t.Context(), job)
	if err != nil || done.Seen != 1001 || done.Copied != 1000 || done.Extra != 1 || done.Last != "k00999" {
		t.Errorf("first copy: %+v, %v", done, err)
	}
	again, err := mirrorkv.Copy(t.Context(), job)
	if err != nil || again.Copied != 0 || again.Bytes != done.Bytes {
		t.Errorf("second copy: %+v, %v", again, err)
	}
	if v, _ := b.Get(t.Context(), "extra"); v != "mine" {
		t.Error("a key that only the target has was taken away")
	}
	job.Extras = mirrorkv.RemoveExtras
	if done, err := mirrorkv.Copy(t.Context(), job); err != nil || done.Removed != 1 {
		t.Errorf("copy that removes: %+v, %v", done, err)
	}
	wantSame(t, a, b)
}

func TestCopyResumes(t *testing.T) {
	a, b := store(t), store(t)
	fill(t, a, 2000)
	ctx, cancel := context.WithCancel(t.Context())
	job := mirrorkv.Job{From: a, To: b, Codec: kv.String, Progress: func(mirrorkv.Progress) { cancel() }}
	first, err := mirrorkv.Copy(ctx, job)
	if !errors.Is(err, context.Canceled) || first.Copied == 0 || first.Copied == 2000 {
		t.Fatalf("a copy that is broken off: %+v, %v", first, err)
	}
	job.After, job.Progress = first.Last, nil
	second, err := mirrorkv.Copy(t.Context(), job)
	if err != nil || first.Copied+second.Copied != 2000 {
		t.Errorf("%d and %d keys copied, want 2000 in all: %v", first.Copied, second.Copied, err)
	}
	wantSame(t, a, b)
}

func TestCopyGoesOnAfterAFailure(t *testing.T) {
	a := store(t)
	small := &narrow{store(t)}
	put(t, a, "a", "fits")
	put(t, a, "b", strings.Repeat("x", 200))
	put(t, a, "c", "fits")
	done, err := mirrorkv.Copy(t.Context(), mirrorkv.Job{From: a, To: small, Codec: kv.String})
	if !errors.Is(err, kv.ErrTooLarge) || !strings.Contains(fmt.Sprint(err), `"b"`) {
		t.Errorf("the error does not name the key and the cause: %v", err)
	}
	if done.Copied != 2 || done.Failed != 1 {
		t.Errorf("progress: %+v", done)
	}
	n := 0
	for d, err := range mirrorkv.Compare(t.Context(), kv.String, a, small, kv.Selection{}) {
		n++
		if d.Key != "b" || d.Kind != mirrorkv.Missing || err != nil {
			t.Errorf("difference %+v, %v", d, err)
		}
	}
	if n != 1 {
		t.Errorf("%d differences, want 1", n)
	}
}

// narrow is a store for small values.
type narrow struct{ *fickle }

func (n *narrow) Put(ctx context.Context, key string, v any, opts ...kv.PutOption) (string, error) {
	if b, err := kv.EncodeWith(kv.String, v); err == nil && len(b) > 100 {
		return "", kv.Wrap("put", key, kv.ErrTooLarge)
	}
	return n.fickle.Put(ctx, key, v, opts...)
}

func TestCopyKeepsTheTimeLeftAndTheMedia(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := store(t), store(t)
		put(t, a, "k", "v", kv.TTL(time.Minute), kv.Media("text/html"))
		time.Sleep(40 * time.Second)
		if _, err := mirrorkv.Copy(t.Context(), mirrorkv.Job{From: a, To: b, Codec: kv.String}); err != nil {
			t.Fatal(err)
		}
		if e, _, err := b.Entry(t.Context(), "k"); err != nil || e.Media != "text/html" {
			t.Errorf("the copy has the media type %q, %v", e.Media, err)
		}
		time.Sleep(19 * time.Second)
		if v, _ := b.Get(t.Context(), "k"); v != "v" {
			t.Error("the copy went before its time")
		}
		time.Sleep(2 * time.Second)
		if v, _ := b.Get(t.Context(), "k"); v != nil {
			t.Errorf("the copy outlives its source: %v", v)
		}
	})
}

func TestCopyOfWhatDoesNotDecode(t *testing.T) {
	raw, other := memkv.New(kv.Bytes), memkv.New(kv.Bytes)
	t.Cleanup(func() { raw.Close() })
	t.Cleanup(func() { other.Close() })
	codec := kv.JSON[map[string]int]("json")
	put := raw.With(sameID{codec})
	if _, err := put.Put(t.Context(), "bad", []byte("{not json")); err != nil {
		t.Fatal(err)
	}
	job := mirrorkv.Job{From: raw.With(codec), To: other.With(codec), Codec: codec}
	if done, err := mirrorkv.Copy(t.Context(), job); err != nil || done.Copied != 1 {
		t.Fatalf("%+v, %v", done, err)
	}
	e, _, err := other.With(codec).Entry(t.Context(), "bad")
	if got, _ := e.Value.(kv.Raw); !errors.Is(err, kv.ErrDecode) || string(got) != "{not json" {
		t.Errorf("the copy holds %q, %v", e.Value, err)
	}
}

// sameID writes bytes under the name of another codec.
type sameID struct{ kv.Codec }

func (sameID) Encode(v any) ([]byte, error) { return v.([]byte), nil }

func TestCopyOfEveryCodec(t *testing.T) {
	from, to := memkv.New(kv.Any), memkv.New(kv.Any)
	t.Cleanup(func() { from.Close() })
	t.Cleanup(func() { to.Close() })
	put(t, from.With(kv.String), "text", "t")
	if _, err := from.With(kv.JSON[[]int]("numbers")).Put(t.Context(), "json", []int{1, 2}); err != nil {
		t.Fatal(err)
	}
	job := mirrorkv.Job{From: from, To: to, Codec: kv.Any}
	if done, err := mirrorkv.Copy(t.Context(), job); err != nil || done.Copied != 2 {
		t.Fatalf("%+v, %v", done, err)
	}
	if v, err := to.With(kv.String).Get(t.Context(), "text"); v != "t" {
		t.Errorf("the text came as %v, %v", v, err)
	}
	if v, err := to.With(kv.JSON[[]int]("numbers")).Get(t.Context(), "json"); err != nil || len(v.([]int)) != 2 {
		t.Errorf("the numbers came as %v, %v", v, err)
	}
	if _, err := to.With(kv.Bytes).Get(t.Context(), "text"); !errors.Is(err, kv.ErrType) {
		t.Errorf("the copy forgot its codec: %v", err)
	}
	// The same bytes under another codec are a difference that a copy cannot mend, and says so.
	if err := to.Delete(t.Context(), "text"); err != nil {
		t.Fatal(err)
	}
	if _, err := to.With(kv.Bytes).Put(t.Context(), "text", []byte("t")); err != nil {
		t.Fatal(err)
	}
	if done, err := mirrorkv.Copy(t.Context(), job); !errors.Is(err, kv.ErrType) || done.Failed != 1 {
		t.Errorf("%+v, %v", done, err)
	}
}

func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := resetting{store(t), make(chan struct{}, 1)}
		b := store(t)
		fill(t, a.fickle, 300)
		ctx, cancel := context.WithCancel(t.Context())
		passes := 0
		ended := make(chan error, 1)
		go func() {
			ended <- mirrorkv.Follow(ctx, mirrorkv.Job{From: a, To: b, Codec: kv.String}, func(_ mirrorkv.Progress, err error) {
				passes++
				if err != nil {
					t.Error(err)
				}
			})
		}()
		synctest.Wait()
		wantSame(t, a, b)
		put(t, a, "new", "1")
		put(t, a, "k00001", "changed")
		if err := a.Delete(t.Context(), "k00002"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if n := wantSame(t, a, b); n != 300 {
			t.Errorf("%d keys, want 300", n)
		}
		b.away.Store(true)
		if err := a.Delete(t.Context(), "k00003"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		b.away.Store(false)
		put(t, a, "another", "1")
		synctest.Wait()
		wantSame(t, a, b) // what failed was tried again
		a.resets <- struct{}{}
		synctest.Wait()
		if passes != 2 {
			t.Errorf("%d passes over the whole, want one for the start and one for the reset", passes)
		}
		wantSame(t, a, b)
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Follow ended with %v", err)
		}
	})
}
