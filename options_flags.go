package starling

import (
	"flag"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// option is one row of the table from which flags, variables and docs/config.md
// are made; options_flags_test.go holds the tags of Options to it.
type option struct {
	name  string // in YAML and JSON
	flag  string // if it is not the name with - for _
	def   string // what zero means
	help  string // one sentence without the dot; `x` names the value
	tuned bool   // it is one of Tuning
	field func(*Options) any
}

var options = []option{
	{
		name: "name", def: "the host's name and a random part", help: "`name` of this node in its cluster, unique among the living",
		field: func(o *Options) any { return &o.Name },
	},
	{
		name: "cluster", def: "local, on a loopback address; else it must be set", help: "`name` of the cluster, up to 64 of [a-z0-9.-]; what bears another name is refused",
		field: func(o *Options) any { return &o.Cluster },
	},
	{
		name: "bind", def: "a free port of 127.0.0.1", help: "`host:port` for gossip, UDP and TCP; without a host it is every address, port 0 is any free one",
		field: func(o *Options) any { return &o.Bind },
	},
	{
		name: "advertise", def: "that of bind, or a private address of the host", help: "`address` that other members are told, IP or IP:port",
		field: func(o *Options) any { return &o.Advertise },
	},
	{
		name: "seeds", flag: "seed", def: "none: the node runs alone until others find it",
		help:  "where another node is: `host:port`, dns+host:port, dnssrv+name, dnssrvnoa+name or file+path; repeatable, the own address does no harm",
		field: func(o *Options) any { return &o.Seeds },
	},
	{
		name: "join_wait", def: "5s", help: "`duration` of the wait for a seed to answer, after which the node runs alone and goes on trying; negative: no wait",
		field: func(o *Options) any { return &o.JoinWait },
	},
	{
		name: "require_join", def: "false", help: "fail if no seed answers in that time",
		field: func(o *Options) any { return &o.RequireJoin },
	},

	{
		name: "probe_interval", def: "1s", tuned: true, help: "`duration` between two looks whether a member lives",
		field: func(o *Options) any { return &o.Tuning.ProbeInterval },
	},
	{
		name: "probe_timeout", def: "500ms", tuned: true, help: "`duration` it may take to answer before others are asked to ask it",
		field: func(o *Options) any { return &o.Tuning.ProbeTimeout },
	},
	{
		name: "gossip_interval", def: "200ms", tuned: true, help: "`duration` between two rounds of news about members",
		field: func(o *Options) any { return &o.Tuning.GossipInterval },
	},
	{
		name: "suspicion_mult", def: "4", tuned: true, help: "`number` of probe intervals between suspect and dead, in clusters of up to ten; it grows with the logarithm of the size",
		field: func(o *Options) any { return &o.Tuning.SuspicionMult },
	},
	{
		name: "rejoin", def: "10s", tuned: true, help: "`duration` between two calls of a seed, or of a member that died within a day; 1s until the node runs",
		field: func(o *Options) any { return &o.Tuning.Rejoin },
	},
	{
		name: "sync_interval", def: "30s", tuned: true, help: "`duration` between two comparisons of everything with a random member",
		field: func(o *Options) any { return &o.Tuning.SyncInterval },
	},
	{
		name: "tombstone_age", def: "10m", tuned: true, help: "`duration` that a deleted key takes room before it is only remembered; from then on a member that was away is told by the memory",
		field: func(o *Options) any { return &o.Tuning.TombstoneAge },
	},
	{
		name: "check_views", def: "false", tuned: true, help: "find callers that write into values they share with the store: such a key is logged and counted; it costs an encoding of each value read, so it is for tests",
		field: func(o *Options) any { return &o.Tuning.CheckViews },
	},
}

// flagName is the flag of the option, without a prefix.
func (p option) flagName() string {
	if p.flag != "" {
		return p.flag
	}
	return strings.ReplaceAll(p.name, "_", "-")
}

// Flags registers a flag for every option that can be said in words, each under
// its YAML name with - for _ (seeds are --seed, repeatable) behind the prefix.
// Parsing writes into o; what o holds already is the default.
func (o *Options) Flags(fs *flag.FlagSet, prefix string) {
	for _, p := range options {
		usage := p.help + " (default: " + p.def + ")"
		v := &flagValue{to: p.field(o)}
		if v.String() != "" {
			usage = p.help
		}
		fs.Var(v, prefix+p.flagName(), usage)
	}
}

// flagValue writes the text of a flag into a field of Options. It is a
// flag.Value; the text of a field that is zero is empty.
type flagValue struct {
	to    any  // *string, *[]string, *time.Duration, *int or *bool
	given bool // a list was given: what follows is added
}

// String is part of flag.Value. Of a zero flagValue it is empty.
func (v *flagValue) String() string {
	switch p := v.to.(type) {
	case *string:
		return *p
	case *[]string:
		return strings.Join(*p, ",")
	case *time.Duration:
		if *p != 0 {
			return p.String()
		}
	case *int:
		if *p != 0 {
			return strconv.Itoa(*p)
		}
	case *bool:
		if *p {
			return "true"
		}
	}
	return ""
}

// Set is part of flag.Value. Of a list the first takes the place of what was
// there, and may be several with commas between them.
func (v *flagValue) Set(text string) error {
	var err error
	switch p := v.to.(type) {
	case *string:
		*p = text
	case *[]string:
		if !v.given {
			*p = nil
		}
		v.given = true
		*p = append(*p, strings.Split(text, ",")...)
	case *time.Duration:
		*p, err = time.ParseDuration(text)
	case *int:
		*p, err = strconv.Atoi(text)
	case *bool:
		*p, err = strconv.ParseBool(text)
	default:
		panic(fmt.Sprintf("starling: an option cannot be a %T", v.to))
	}
	return err
}

// IsBoolFlag tells package flag that the flag needs no value.
func (v *flagValue) IsBoolFlag() bool {
	_, is := v.to.(*bool)
	return is
}
