package sim

// What a campaign must have met. A test holds the lists to be whole: what an
// engine can tell stands here or in spared.
var (
	mustFault = []string{
		"packet lost", "packet duplicated", "packet held back", "packet corrupted", "packet replayed",
		"frame refused", "stream cut", "stream stalled", "restart with memory", "restart without memory",
	}
	mustFrame = []string{
		"DELTA", "HAVE", "WANT", "ADVERT", "FETCH", "BODY", "HELLO", "INSYNC", "DIFFER",
		"OPEN", "RANGES", "CELLS", "PURGE", "SHOWN", "ACCEPTED", "CTX", "DONE", "BUSY", "ERR",
	}
	mustRule = []string{
		"ready", "unknown_origin", "peer_refused", "applied", "dominated", "dead_under_floor", "known_dot",
		"refused_skew", "stale", "purged", "purge_sent", "swept", "expired", "collected", "forgotten",
		"conflict", "conflict_unknown", "dirty", "returner", "fetch", "fetch_failed", "clock_drift", "push_overflow",
	}
	mustEnd = []string{"aborted", "in_sync", "complete", "partial", "read_only", "no_pin", "busy", "unanswered"}
	mustOp  = []string{
		"put: ok", "put: not ready", "put: clock skew", "cas: ok", "cas: conflict", "delete: ok",
		"field m: ok", "field z: ok", "drop field: ok", "put with ttl: ok", "put large: ok", "batch: ok",
		"add: ok", "remove from set: ok", "count: ok", "cas of a kind: ok", "cas of a kind: conflict",
	}
)

// spared is what a healthy engine in a small cluster does not meet, and why. It
// is printed when it occurs, and a zero of it is not red.
var spared = map[string]string{
	"unknown_type":    "needs a frame of a later version; a transcript tells of one",
	"refused_size":    "needs a peer that breaks the limits of the wire",
	"misplaced_frame": "needs a peer that breaks the rules",
	"origin_clash":    "needs two processes with one origin, as P7 plants it",
	"throttled":       "needs thousands of packets per second",
	"context_limit":   "needs a million processes",
	"non_convergent":  "needs hashes or joins that differ between nodes, as P14 plants it",
	"refused_context": "needs a peer that breaks the limits of the context",
	"many_purged":     "needs more values than the clients write",
}
