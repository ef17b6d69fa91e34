package sim

// What a campaign must have met. Not listed is what only a planted bug, a
// misused limit or a real socket can bring about: refused_size, misplaced_frame,
// origin_clash, push_overflow, throttled, context_limit, non_convergent.
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
		"conflict", "conflict_unknown", "dirty", "returner", "fetch", "fetch_failed",
	}
	mustEnd = []string{"aborted", "in_sync", "complete", "partial", "read_only", "no_pin", "busy", "unanswered"}
	mustOp  = []string{
		"put: ok", "put: not ready", "put: clock skew", "cas: ok", "cas: conflict", "delete: ok",
		"field m: ok", "field z: ok", "drop field: ok", "put with ttl: ok", "put large: ok", "batch: ok",
	}
)
