package sim

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/engine"
	"github.com/starlingkv/starling/internal/wire"
)

// Script plays a story told line by line on a World, and writes down what the
// engines did: the golden transcripts of the engine are such stories. All times
// are virtual and every run is the same.
//
//	config sync 5m         sets an interval of every engine: sync, or of the view
//	nodes a b c            start nodes; settle until each is ready
//	put a k v [ttl 5s]     a client of a writes
//	large a k 9000         the same, with a body of so many bytes
//	del a k                a client of a deletes
//	cas a k v              writes if the key is as the last get by a saw it
//	get a k                prints what a reader of a sees
//	save a                 a writes its disk
//	crash a                kill -9
//	restart a [memory]     starts again, with its disk or empty
//	pause a 2s             SIGSTOP for a while
//	clock a +10s           steps the wall clock of a
//	cut a | cut a b        isolates a; or closes the way from a to b only
//	heal                   opens every way
//	loss 0.5 | hold 0.3 2s | keep | replay 10
//	advance 5s             lets time pass
//	settle                 lets time pass until nothing changes for a while
//	count                  prints the frames sent since the last count
//	later a b              a sends b a frame type of a later version
//	expect a k v           fails unless a reader of a sees v; - is nothing
//	expect-event a kind [n]   fails unless a told it (n times) since the start
//	expect-frames HELLO 1 ... fails unless exactly these were sent since count
type Script struct {
	*World
	out    io.Writer
	told   map[string]map[string]int
	frames map[string]int
	bytes  int
	read   map[string]*cell.Cell
	moved  time.Duration
	quiet  map[engine.EventKind]bool
}

// NewScript returns a Script on a World of its own that writes to out.
func NewScript(cfg engine.Config, out io.Writer) *Script {
	cfg.Cluster = "story"
	s := &Script{
		World: NewWorld(cfg, 7), out: out,
		told: map[string]map[string]int{}, frames: map[string]int{}, read: map[string]*cell.Cell{},
		quiet: map[engine.EventKind]bool{engine.EventDominated: true, engine.EventThrottled: true, engine.EventUnknownOrigin: true},
	}
	s.Observe = s
	return s
}

// Do plays one line. The error says what was expected and is not so, or what is
// wrong with the line.
func (s *Script) Do(line string) error {
	f := strings.Fields(line)
	if len(f) == 0 {
		return nil
	}
	verb, args := f[0], f[1:]
	do, ok := verbs[verb]
	if !ok {
		return fmt.Errorf("no verb %q", verb)
	}
	if len(args) < do.args {
		return fmt.Errorf("%s takes %d arguments", verb, do.args)
	}
	return do.run(s, args)
}

type verb struct {
	args int
	run  func(*Script, []string) error
}

var verbs = map[string]verb{
	"config":        {2, (*Script).config},
	"nodes":         {1, (*Script).nodesUp},
	"put":           {3, (*Script).put},
	"large":         {3, (*Script).large},
	"cas":           {3, (*Script).cas},
	"del":           {2, (*Script).del},
	"get":           {2, (*Script).get},
	"save":          {1, on(func(_ *Script, n *Node) { n.Save() })},
	"crash":         {1, on(func(_ *Script, n *Node) { n.Stop() })},
	"restart":       {1, (*Script).restart},
	"pause":         {2, (*Script).pause},
	"clock":         {2, (*Script).clock},
	"cut":           {1, (*Script).cutOff},
	"heal":          {0, func(s *Script, _ []string) error { s.Links.Heal(); return nil }},
	"loss":          {1, func(s *Script, a []string) error { return parseFloat(a[0], &s.Links.Loss) }},
	"hold":          {2, (*Script).hold},
	"keep":          {0, func(s *Script, _ []string) error { s.Links.Keep = 1; return nil }},
	"replay":        {1, (*Script).replay},
	"breakstreams":  {1, func(s *Script, a []string) error { return parseFloat(a[0], &s.Links.CutStream) }},
	"advance":       {1, (*Script).advance},
	"settle":        {0, func(s *Script, _ []string) error { return s.settle() }},
	"count":         {0, (*Script).count},
	"later":         {2, (*Script).later},
	"expect":        {3, (*Script).expect},
	"expect-event":  {2, (*Script).expectEvent},
	"expect-frames": {2, (*Script).expectFrames},
}

// on wraps a verb about one node.
func on(f func(*Script, *Node)) func(*Script, []string) error {
	return func(s *Script, args []string) error {
		n := s.Node(args[0])
		if n == nil {
			return fmt.Errorf("no node %q", args[0])
		}
		f(s, n)
		return nil
	}
}

func parseFloat(in string, to *float64) (err error) {
	*to, err = strconv.ParseFloat(in, 64)
	return err
}

func (s *Script) printf(format string, args ...any) { fmt.Fprintf(s.out, format, args...) }

func (s *Script) config(a []string) error {
	d, err := time.ParseDuration(a[1])
	switch a[0] {
	case "sync":
		s.Config.SyncInterval = d
	case "view":
		s.Links.ViewEvery = d
	default:
		return fmt.Errorf("no setting %q", a[0])
	}
	return err
}

func (s *Script) nodesUp(names []string) error {
	for _, name := range names {
		s.AddNode(name)
	}
	for _, name := range names {
		s.Node(name).Start(nil, 0)
	}
	for _, name := range names {
		s.Node(name).updateView()
	}
	return s.settle()
}

// commit writes on a node and prints how it ended.
func (s *Script) commit(node string, tx engine.Tx) error {
	n := s.Node(node)
	if n == nil {
		return fmt.Errorf("no node %q", node)
	}
	if _, err := n.Commit(tx); err != nil {
		s.printf("%s: refused: %v\n", node, err)
	}
	return nil
}

func (s *Script) put(a []string) error {
	w := engine.Write{Addr: register(a[1]), Codec: "bytes", Body: []byte(a[2])}
	if len(a) == 5 && a[3] == "ttl" {
		d, err := time.ParseDuration(a[4])
		if err != nil {
			return err
		}
		w.Exp = s.Node(a[0]).reading().Wall + d.Milliseconds()
	}
	return s.commit(a[0], engine.Tx{Writes: []engine.Write{w}})
}

func (s *Script) large(a []string) error {
	n, err := strconv.Atoi(a[2])
	if err != nil {
		return err
	}
	return s.commit(a[0], engine.Tx{Writes: []engine.Write{{Addr: register(a[1]), Codec: "bytes", Body: make([]byte, n)}}})
}

func (s *Script) del(a []string) error {
	return s.commit(a[0], engine.Tx{Writes: []engine.Write{{Addr: cell.FloorOf(a[1]), Tomb: true}}})
}

func (s *Script) get(a []string) error {
	n := s.Node(a[0])
	st, _ := n.Root().Tree.Get(string(register(a[1])))
	s.read[a[0]+" "+a[1]] = nil
	if st != nil {
		s.read[a[0]+" "+a[1]] = st.Cell
	}
	s.printf("%s: %s = %s\n", a[0], a[1], s.value(n, a[1]))
	return nil
}

func (s *Script) cas(a []string) error {
	seen := s.read[a[0]+" "+a[1]]
	return s.commit(a[0], engine.Tx{
		Check: func(r *engine.Root) error {
			st, _ := r.Tree.Get(string(register(a[1])))
			if (st == nil) != (seen == nil) || st != nil && st.Cell != seen {
				return engine.ErrConflict
			}
			return nil
		},
		Writes: []engine.Write{{Addr: register(a[1]), Codec: "bytes", Body: []byte(a[2])}},
	})
}

// value is what a reader sees; a large body is named by its size.
func (s *Script) value(n *Node, key string) string {
	st, ok := n.Root().Tree.Get(string(register(key)))
	switch {
	case !ok || !st.Visible():
		return "-"
	case len(st.Body) > 100:
		return fmt.Sprintf("%d_bytes", len(st.Body))
	}
	return string(st.Body)
}

func (s *Script) restart(a []string) error {
	n := s.Node(a[0])
	if len(a) > 1 && a[1] == "memory" {
		n.Start(n.Disk(), 0)
		return nil
	}
	n.Start(nil, 0)
	return nil
}

func (s *Script) pause(a []string) error {
	d, err := time.ParseDuration(a[1])
	if err == nil {
		s.Node(a[0]).Pause(d)
	}
	return err
}

func (s *Script) clock(a []string) error {
	d, err := time.ParseDuration(a[1])
	if err == nil {
		s.Node(a[0]).Skew += d
	}
	return err
}

func (s *Script) cutOff(a []string) error {
	from := s.Node(a[0]).Index
	if len(a) == 2 {
		s.Links.Cut(from, s.Node(a[1]).Index)
		return nil
	}
	for i := range s.nodes {
		s.Links.Cut(from, i)
		s.Links.Cut(i, from)
	}
	return nil
}

func (s *Script) hold(a []string) error {
	d, err := time.ParseDuration(a[1])
	s.Links.HoldFor = d
	return errors.Join(err, parseFloat(a[0], &s.Links.Hold))
}

func (s *Script) replay(a []string) error {
	n, err := strconv.Atoi(a[0])
	s.Replay(n)
	return err
}

func (s *Script) advance(a []string) error {
	d, err := time.ParseDuration(a[0])
	if err == nil {
		s.Advance(d)
	}
	return err
}

// settle lets time pass until nothing has changed for five seconds.
func (s *Script) settle() error {
	s.moved = s.now
	for s.now-s.moved < 5*time.Second {
		if s.Advance(250 * time.Millisecond); s.now > 10*365*24*time.Hour {
			return errors.New("it never settles")
		}
	}
	return nil
}

func (s *Script) count([]string) error {
	for _, name := range sorted(s.frames) {
		s.printf("%s %d\n", name, s.frames[name])
	}
	s.printf("bytes %d\n", s.bytes)
	s.frames, s.bytes = map[string]int{}, 0
	return nil
}

// later sends a frame type that this version does not know.
func (s *Script) later(a []string) error {
	from, to := s.Node(a[0]), s.Node(a[1])
	f := wire.Frame{Header: wire.Header{Origin: originOf(from), Now: from.eng.Now(), Seq: 1 << 40}}
	to.Step(engine.Received{Frame: f})
	return nil
}
