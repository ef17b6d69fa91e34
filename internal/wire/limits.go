package wire

// Limits of version 1. They are part of the format: what is over one of them
// is refused by every node.
const (
	Version    = 1       // of the frames written here
	MaxFrame   = 1 << 20 // bytes of one frame, its checksum included and the length prefix of streams not
	MaxKey     = 1024    // bytes of a key
	MaxSub     = 2048    // bytes of the part of an address behind the key and its 00
	MaxAddr    = MaxKey + 1 + MaxSub
	MaxValue   = 16 << 20 // bytes of a body
	MaxPrev    = 16       // runs in the Prev of a cell
	MaxCodecID = 255      // bytes of a codec's id
	MaxExt     = 4096     // bytes of an extension, its flag byte included
	MaxText    = 1024     // bytes of the text of ERR
	MaxLabel   = 64       // bytes of a cluster label
	MaxZone    = 16       // bytes of the zone in member metadata

	// MaxShared bounds what front coding may unfold: the shared bytes of all
	// addresses or bounds of one frame. Past it a writer shares nothing.
	MaxShared = 1 << 20
)

const (
	magic   = 0x07 // protobuf field 0: a dskit reader fails at once
	minHead = 20   // magic, version, type, flags, origin, clock
	crcLen  = 4

	flagStream = 1 << 2 // of a frame; all others are reserved
)

// Budget returns how long a frame in a packet may be: a memberlist packet of
// 1400 bytes less what membership, the label and encryption add.
func Budget(label string) int { return 1400 - 37 - len(label) }
