package wire

import "testing"

// TestLimitsStand holds the limits to what version 1 says for ever: other tests reach them by their names.
func TestLimitsStand(t *testing.T) {
	for name, c := range map[string]struct{ got, want int }{
		"Version":    {Version, 1},
		"MaxFrame":   {MaxFrame, 1_048_576},
		"MaxKey":     {MaxKey, 1024},
		"MaxSub":     {MaxSub, 2048},
		"MaxAddr":    {MaxAddr, 3073},
		"MaxValue":   {MaxValue, 16_777_216},
		"MaxPrev":    {MaxPrev, 16},
		"MaxCodecID": {MaxCodecID, 255},
		"MaxExt":     {MaxExt, 4096},
		"MaxText":    {MaxText, 1024},
		"MaxLabel":   {MaxLabel, 64},
		"MaxZone":    {MaxZone, 16},
		"MaxShared":  {MaxShared, 1_048_576},
		"magic":      {magic, 0x07},
		"minHead":    {minHead, 20},
	} {
		if c.got != c.want {
			t.Errorf("%s is %d, and was %d when version 1 was written down", name, c.got, c.want)
		}
	}
}
