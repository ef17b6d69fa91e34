package sim

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/starlingkv/starling/internal/cell"
	"github.com/starlingkv/starling/internal/engine"
	"github.com/starlingkv/starling/internal/wire"
)

func (s *Script) expect(a []string) error {
	if got := s.value(s.Node(a[0]), a[1]); got != a[2] {
		return fmt.Errorf("%s sees %s = %s", a[0], a[1], got)
	}
	return nil
}

func (s *Script) expectEvent(a []string) error {
	got := s.told[a[0]][a[1]]
	if len(a) == 2 && got == 0 {
		return fmt.Errorf("%s never told %s", a[0], a[1])
	}
	if len(a) == 3 && strconv.Itoa(got) != a[2] {
		return fmt.Errorf("%s told %s %d times", a[0], a[1], got)
	}
	return nil
}

func (s *Script) expectFrames(a []string) error {
	want := map[string]int{}
	for i := 0; i+1 < len(a); i += 2 {
		n, err := strconv.Atoi(a[i+1])
		if err != nil {
			return err
		}
		want[a[i]] = n
	}
	if fmt.Sprint(want) != fmt.Sprint(s.frames) {
		return fmt.Errorf("sent %v", s.frames)
	}
	return nil
}

// Stepped writes down what an engine told, without what happens all the time.
func (s *Script) Stepped(n *Node, _ *engine.Root, fx *engine.Effects) {
	if len(fx.Changed) > 0 {
		s.moved = s.now
	}
	for _, ev := range fx.Events {
		if s.told[n.Name] == nil {
			s.told[n.Name] = map[string]int{}
		}
		s.told[n.Name][ev.Kind.String()]++
		inSync := ev.Kind == engine.EventSession && engine.SessionEnd(ev.N) == engine.EndInSync
		if !s.quiet[ev.Kind] && !inSync {
			s.printf("%s %s\n", n.Name, s.describe(ev))
		}
	}
}

// describe is an event as a transcript shows it: origins by the name of their
// node, versions left out.
func (s *Script) describe(ev engine.Event) string {
	b := ev.Kind.String()
	if ev.Kind == engine.EventSession {
		return fmt.Sprintf("session with %s: %v", s.nameOf(ev.Peer), engine.SessionEnd(ev.N))
	}
	if ev.Addr != "" {
		b += " " + strings.ReplaceAll(strings.TrimSuffix(string(ev.Addr), "\x00"), "\x00", "/")
	}
	if !ev.Dot.IsZero() {
		b += fmt.Sprintf(" %s.%d", s.nameOf(ev.Dot.O), ev.Dot.N)
	}
	if !ev.Winner.IsZero() {
		b += fmt.Sprintf(" by %s.%d", s.nameOf(ev.Winner.O), ev.Winner.N)
	}
	if ev.Text != "" {
		b += ": " + ev.Text
	}
	return b
}

func (s *Script) nameOf(o cell.Origin) string {
	n := s.byOrigin[o]
	switch {
	case n == nil:
		return "?"
	case originOf(n) != o:
		return n.Name + "'"
	}
	return n.Name
}

// Sent counts frames.
func (s *Script) Sent(_, _ *Node, f wire.Frame, size int) {
	s.frames[f.Msg.Type().String()]++
	s.bytes += size
}

// Delivered is not needed.
func (s *Script) Delivered(*Node, wire.Frame, *engine.Root) {}

// Restarted is not needed.
func (s *Script) Restarted(*Node) {}

func sorted(m map[string]int) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
