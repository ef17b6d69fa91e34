package engine

import "github.com/starlingkv/starling/internal/hlc"

// eventNames are the names of the kinds in logs, metrics and transcripts.
var eventNames = [numEvents]string{
	EventReady:           "ready",
	EventUnknownOrigin:   "unknown_origin",
	EventUnknownType:     "unknown_type",
	EventMisplacedFrame:  "misplaced_frame",
	EventPeerRefused:     "peer_refused",
	EventApplied:         "applied",
	EventDominated:       "dominated",
	EventDeadUnderFloor:  "dead_under_floor",
	EventKnownDot:        "known_dot",
	EventRefusedSkew:     "refused_skew",
	EventRefusedSize:     "refused_size",
	EventStale:           "stale",
	EventPurged:          "purged",
	EventPurgeSent:       "purge_sent",
	EventSwept:           "swept",
	EventExpired:         "expired",
	EventCollected:       "collected",
	EventForgotten:       "forgotten",
	EventConflict:        "conflict",
	EventConflictUnknown: "conflict_unknown",
	EventClash:           "origin_clash",
	EventDirty:           "dirty",
	EventSession:         "session",
	EventNonConvergent:   "non_convergent",
	EventReturner:        "returner",
	EventPushOverflow:    "push_overflow",
	EventFetch:           "fetch",
	EventFetchFailed:     "fetch_failed",
	EventThrottled:       "throttled",
	EventContextLimit:    "context_limit",
	EventManyPurged:      "many_purged",
	EventRefusedContext:  "refused_context",
	EventClockDrift:      "clock_drift",
}

// String is the kind's name in logs, metrics and transcripts.
func (k EventKind) String() string {
	if int(k) < len(eventNames) && eventNames[k] != "" {
		return eventNames[k]
	}
	return "unknown"
}

// Now is the engine's clock, for the header of a frame on a stream.
func (e *Engine) Now() hlc.Time { return e.clock.Now() }
