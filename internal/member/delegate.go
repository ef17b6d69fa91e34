package member

import (
	"context"
	"log"
	"log/slog"
	"slices"
	"strings"

	"github.com/hashicorp/memberlist"

	"github.com/starlingkv/starling/internal/wire"
)

// delegate answers memberlist's questions about a Group.
type delegate struct{ g *Group }

var (
	_ memberlist.Delegate         = delegate{}
	_ memberlist.ConflictDelegate = delegate{}
)

// NodeMeta is part of memberlist.Delegate.
func (d delegate) NodeMeta(int) []byte { return *d.g.meta.Load() }

// NotifyMsg is part of memberlist.Delegate.
func (d delegate) NotifyMsg(frame []byte) { d.g.cfg.OnPacket(frame) }

// GetBroadcasts is part of memberlist.Delegate: nothing rides on its gossip.
func (d delegate) GetBroadcasts(int, int) [][]byte { return nil }

// LocalState is part of memberlist.Delegate: sessions exchange state.
func (d delegate) LocalState(bool) []byte { return nil }

// MergeRemoteState is part of memberlist.Delegate.
func (d delegate) MergeRemoteState([]byte, bool) {}

// NotifyConflict is part of memberlist.ConflictDelegate.
func (d delegate) NotifyConflict(existing, other *memberlist.Node) {
	if existing.Name == d.g.cfg.Name {
		d.g.cfg.OnNameTaken(other.Address())
	}
}

func metaLeaving(meta []byte) []byte { return wire.AppendLeaving(slices.Clone(meta)) }

// bridgeLog is memberlist's logger: its lines begin with their level.
func bridgeLog(to *slog.Logger) *log.Logger { return log.New(logBridge{to}, "", 0) }

type logBridge struct{ to *slog.Logger }

// logLevels gives memberlist's levels ours. What it calls an error is one lost
// packet or stream, which it and we repair: nobody has to act.
var logLevels = map[string]slog.Level{
	"DEBUG": slog.LevelDebug, "INFO": slog.LevelDebug, "WARN": slog.LevelInfo, "ERR": slog.LevelInfo,
}

// Write is part of io.Writer.
func (l logBridge) Write(line []byte) (int, error) {
	text := strings.TrimSpace(string(line))
	level := slog.LevelInfo
	if head, rest, found := strings.Cut(text, "] "); found && strings.HasPrefix(head, "[") {
		if known, is := logLevels[head[1:]]; is {
			level, text = known, rest
		}
	}
	l.to.Log(context.Background(), level, "membership", "text", strings.TrimPrefix(text, "memberlist: "))
	return len(line), nil
}
