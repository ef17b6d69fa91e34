package wire

import "testing"

func TestLeaving(t *testing.T) {
	// The port ends the record of a member that stays in the same two bytes.
	stays := AppendMeta(nil, Meta{Origin: 7, Min: 1, Max: 1, Port: leavingTag << 8})
	if Leaving(stays) {
		t.Errorf("%x: leaving, want not", stays)
	}
	goes := AppendLeaving(stays)
	if !Leaving(goes) {
		t.Errorf("%x: not leaving, want leaving", goes)
	}
	if m, err := ParseMeta(goes); err != nil || m.Origin != 7 {
		t.Errorf("ParseMeta(%x) = %+v, %v; want origin 7", goes, m, err)
	}
	for n := range goes {
		if Leaving(goes[:n]) {
			t.Errorf("%x: leaving, want not: it is cut", goes[:n])
		}
	}
}
