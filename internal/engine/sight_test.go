package engine

import (
	"testing"

	"github.com/starlingkv/starling/internal/cell"
)

// TestSightFindsOwnWrites: also below what came from elsewhere since.
func TestSightFindsOwnWrites(t *testing.T) {
	s := Sight{self: 7, until: 4}
	for _, c := range []struct {
		name string
		spec cell.Spec
		down []cell.Run
		want bool
	}{
		{"own, before", cell.Spec{Ver: cell.Ver{O: 7, N: 4}}, nil, false},
		{"own, since", cell.Spec{Ver: cell.Ver{O: 7, N: 5}}, nil, true},
		{"own remove of another's, since", cell.Spec{Ver: cell.Ver{O: 8, N: 5}, By: cell.Dot{O: 7, N: 6}}, nil, true},
		{"another's", cell.Spec{Ver: cell.Ver{O: 8, N: 5}}, nil, false},
		{"another's over own, before", cell.Spec{Ver: cell.Ver{O: 8, N: 5}, Prev: []cell.Run{{O: 7, From: 2, Len: 3}}}, nil, false},
		{"another's over own, since", cell.Spec{Ver: cell.Ver{O: 8, N: 5}, Prev: []cell.Run{{O: 7, From: 2, Len: 4}}}, nil, true},
		{"another's beside own, since", cell.Spec{Ver: cell.Ver{O: 8, N: 5}}, []cell.Run{{O: 9, From: 5, Len: 1}, {O: 7, From: 5, Len: 1}}, true},
	} {
		if got := s.wrote(cell.New(c.spec).Keep().Over(c.down)); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
