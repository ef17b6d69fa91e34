package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/starlingkv/starling/kv"
)

const (
	// writers is how many writes of an import are in flight.
	writers = 16
	// maxLine bounds a line: the largest value, every byte of it escaped.
	maxLine = 6*kv.MaxValue + 64<<10
	// progressEvery is how often an import says how far it is.
	progressEvery = 2 * time.Second
)

func (p *program) importCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "import [-|FILE]",
		Short: `write the keys of a file of JSON lines: {"key":..,"value":..} or {"key":..,"value_base64":..}`,
		Long: "Writes one key per line, several at once, the lines of one key in their order. A line may name the codec of its\n" +
			"value and when it expires too, and with \"field\" it is of that field of a Map alone. An array is taken as well, as export -o json prints it, or consul kv export; and what\n" +
			"etcdctl get --prefix -w json prints.\n\n" +
			"It stops at the first error; what it has written by then stays, so it can just be run again.",
		Args: arguments(0, 1),
		RunE: func(c *cobra.Command, args []string) error {
			in := p.in
			if len(args) == 1 && args[0] != "-" {
				f, err := os.Open(args[0])
				if err != nil {
					return err
				}
				defer f.Close()
				in = f
			}
			client, err := p.dial(c)
			if err != nil {
				return err
			}
			defer client.Close()
			im := &importer{store: client.With(kv.Any), field: client.Field, timeout: p.global.timeout, began: time.Now()}
			err = im.run(c.Context(), in, &statusLine{out: p.err, tty: p.talks})
			if err != nil {
				return err
			}
			if f := p.format(asTable); f == asJSON || f == asLines {
				return p.json(f, im.tally())
			}
			return nil
		},
	}
}

// line is one line of an import.
type line struct {
	number int

	Key         string  `json:"key"`
	Field       string  `json:"field"` // of the Map or Set under the key; empty: the whole value
	Codec       string  `json:"codec"`
	Value       *string `json:"value"`
	ValueBase64 *[]byte `json:"value_base64"`

	MediaType string           `json:"media_type"`
	ExpiresAt time.Time        `json:"expires_at"`
	Flags     *json.RawMessage `json:"flags"` // only Consul's exports have them; their values are base64
}

// importer writes the lines of one file.
type importer struct {
	store   kv.Versioned // of kv.Any
	field   func(name string) kv.Backend
	timeout time.Duration // of one write
	began   time.Time

	keys, bytes atomic.Int64
}

// tally is what was written so far.
type tally struct {
	Keys  int64 `json:"keys"`
	Bytes int64 `json:"bytes"`
}

func (im *importer) tally() tally { return tally{Keys: im.keys.Load(), Bytes: im.bytes.Load()} }

// String tells of it to people.
func (im *importer) String() string {
	t := im.tally()
	return fmt.Sprintf("%d keys, %.1f MB in %.1f s", t.Keys, float64(t.Bytes)/1e6, time.Since(im.began).Seconds())
}

// run reads in to its end. A key is always with the same writer, so that its last line wins.
func (im *importer) run(ctx context.Context, in io.Reader, far *statusLine) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	lanes := make([]chan line, writers)
	var wg sync.WaitGroup
	for i := range lanes {
		lanes[i] = make(chan line, 1)
		wg.Go(func() {
			for l := range lanes[i] {
				if err := im.write(ctx, l); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	said := make(chan struct{})
	go im.progress(ctx, far, said)
	err := im.read(ctx, in, lanes)
	for _, lane := range lanes {
		close(lane)
	}
	wg.Wait()
	if cause := context.Cause(ctx); cause != nil {
		err = cause // the reader only noticed
	}
	cancel(nil)
	<-said
	far.clear()
	if err != nil {
		return fmt.Errorf("after %s: %w", im, err)
	}
	fmt.Fprintf(far.out, "imported %s\n", im)
	return nil
}

// read deals the lines out, or the elements of an array.
func (im *importer) read(ctx context.Context, in io.Reader, lanes []chan line) error {
	seed := maphash.MakeSeed()
	deal := func(l line, err error) error {
		if err != nil {
			return fmt.Errorf("line %d: %w", l.number, err)
		}
		if !l.ExpiresAt.IsZero() && !l.ExpiresAt.After(time.Now()) {
			return nil // it is gone already
		}
		select {
		case lanes[maphash.String(seed, l.Key)%writers] <- l:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	buffered := bufio.NewReaderSize(in, 64<<10)
	first, _ := buffered.Peek(len(etcdBegins)) // what cannot be read is told by the reader
	switch {
	case len(first) > 0 && first[0] == '[':
		return readArray(buffered, deal)
	case string(first) == etcdBegins:
		return readEtcd(buffered, deal)
	}
	return readLines(buffered, deal)
}

// readLines reads one document per line.
func readLines(in io.Reader, deal func(line, error) error) error {
	scanner := bufio.NewScanner(in)
	scanner.Buffer(make([]byte, 64<<10), maxLine)
	for number := 1; scanner.Scan(); number++ {
		if len(scanner.Bytes()) == 0 {
			continue
		}
		l, err := parseLine(scanner.Bytes())
		l.number = number
		if err := deal(l, err); err != nil {
			return err
		}
	}
	if err := scanner.Err(); errors.Is(err, bufio.ErrTooLong) {
		return kv.ErrTooLarge
	} else if err != nil {
		return err
	}
	return nil
}

// readArray reads one array of documents, as export -o json and Consul write it. They are numbered from 1, as lines are.
func readArray(in io.Reader, deal func(line, error) error) error {
	dec := json.NewDecoder(in)
	if _, err := dec.Token(); err != nil {
		return err
	}
	for number := 1; dec.More(); number++ {
		var document json.RawMessage
		if err := dec.Decode(&document); err != nil {
			return fmt.Errorf("element %d: %w", number, err)
		}
		l, err := parseLine(document)
		l.number = number
		if err := deal(l, err); err != nil {
			return err
		}
	}
	_, err := dec.Token()
	return err
}

// parseLine reads one line. What it does not know it leaves out: an export may say more.
func parseLine(b []byte) (line, error) {
	var l line
	if err := json.Unmarshal(b, &l); err != nil {
		return line{}, err
	}
	if (l.Value == nil) == (l.ValueBase64 == nil) {
		return line{}, errors.New("want one of value and value_base64")
	}
	if l.Flags != nil && l.Value != nil {
		b, err := base64.StdEncoding.DecodeString(*l.Value)
		if err != nil {
			return line{}, fmt.Errorf("the value of an export of Consul: %w", err)
		}
		l.Value, l.ValueBase64 = nil, &b
	}
	if l.Codec == "" && l.Field == "" { // that of a field is its key's
		l.Codec = kv.Bytes.CodecID()
	}
	return l, errors.Join(kv.CheckKey(l.Key), kv.CheckMedia(l.MediaType))
}

// body is the value of the line.
func (l line) body() kv.Raw {
	if l.Value != nil {
		return kv.Raw(*l.Value)
	}
	return kv.Raw(*l.ValueBase64)
}

func (im *importer) write(ctx context.Context, l line) error {
	ctx, cancel := context.WithTimeout(ctx, im.timeout)
	defer cancel()
	body := l.body()
	if err := im.put(ctx, l, body); err != nil {
		return fmt.Errorf("line %d: %w", l.number, err)
	}
	im.keys.Add(1)
	im.bytes.Add(int64(len(body)))
	return nil
}

// put writes the value of a line, or of the field that it names.
func (im *importer) put(ctx context.Context, l line, body kv.Raw) error {
	ends := remaining(kv.Entry{Expires: l.ExpiresAt})
	if l.Field == "" {
		_, err := im.store.Put(ctx, l.Key, kv.Coded{Codec: l.Codec, Body: body}, ends, kv.Media(l.MediaType))
		return err
	}
	e := kv.Entry{Key: l.Key, Value: body, Codec: l.Codec, Size: len(body)}
	_, err := im.field(l.Field).Store(ctx, e, kv.PutWrite(ctx, ends))
	return kv.Wrap("put", l.Key, err)
}

// progress says now and then how far the import is.
func (im *importer) progress(ctx context.Context, far *statusLine, said chan<- struct{}) {
	defer close(said)
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			far.show("importing: " + im.String())
		}
	}
}
