package wire

import (
	"unicode/utf8"

	"github.com/starlingkv/starling/internal/hlc"
)

// HELLO, DIFFER and OPEN: sid 8 | flags 1 | H 8 | tree: count uv, fp 16
// | context: count uv, fp 16
func (w *writer) hello(m *Hello) error {
	if m.Kind != TypeHello && m.Kind != TypeDiffer && m.Kind != TypeOpen {
		return ErrNoMsg
	}
	w.u64(m.Sid)
	w.byte(byte(m.Flags))
	w.u64(uint64(m.H))
	w.sum(m.Tree)
	w.sum(m.Ctx)
	return nil
}

func (w *writer) sum(s Sum) {
	w.uv(s.Count)
	w.u64(s.FP[0])
	w.u64(s.FP[1])
}

func (r *reader) hello(kind Type) Msg {
	m := &Hello{Kind: kind, Sid: r.u64(), Flags: HelloFlags(r.byte()), H: hlc.Time(r.u64())}
	m.Tree, m.Ctx = r.sum(), r.sum()
	if m.Flags&^(HelloJoin|HelloProbe) != 0 {
		r.fail(ErrFlags)
	}
	return m
}

func (r *reader) sum() Sum { return Sum{Count: r.uv(), FP: [2]uint64{r.u64(), r.u64()}} }

// INSYNC: sid 8
func (r *reader) inSync() Msg { return &InSync{Sid: r.u64()} }

// BUSY: milliseconds until the peer may come back, uv
func (r *reader) busy() Msg { return &Busy{RetryMS: r.uv()} }

// ERR: code 1 | text string, at most MaxText bytes of UTF-8
func (w *writer) refusal(m *Err) error {
	if len(m.Text) > MaxText || !utf8.ValidString(m.Text) {
		return ErrText
	}
	w.byte(byte(m.Code))
	w.text(m.Text)
	return nil
}

func (r *reader) refusal() Msg {
	m := &Err{Code: ErrCode(r.byte())}
	text := r.text(MaxText, ErrText)
	if !utf8.Valid(text) {
		r.fail(ErrText)
	}
	m.Text = string(text)
	return m
}
