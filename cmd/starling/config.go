package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v4"

	"github.com/starlingkv/starling"
)

// settings are what a server is told: by its flags, its environment and its file.
type settings struct {
	Node     starling.Options `yaml:",inline"`
	HTTP     string           `yaml:"http"`
	Store    string           `yaml:"store"`
	Routes   routeList        `yaml:"routes"`
	Insecure bool             `yaml:"insecure"`
	Delay    time.Duration    `yaml:"shutdown_delay"`
	LogLevel slog.Level       `yaml:"log_level"`
}

// defaultSettings are those of a server that is told nothing.
func defaultSettings() *settings {
	return &settings{Node: starling.Options{Bind: "127.0.0.1:7171"}, HTTP: "127.0.0.1:7070"}
}

// bind registers the flags of the settings, and the one that names their file.
func (s *settings) bind(flags *pflag.FlagSet, file *string) {
	flags.AddFlagSet(s.flags())
	flags.StringVar(file, "config", "", "YAML `file` of settings, for what neither a flag nor a variable says")
}

// flags are the flags of the settings; what these hold already is the default.
func (s *settings) flags() *pflag.FlagSet {
	node := flag.NewFlagSet("", flag.ContinueOnError)
	s.Node.Flags(node, "")
	all := pflag.NewFlagSet("", pflag.ContinueOnError)
	all.AddGoFlagSet(node)
	all.VisitAll(func(f *pflag.Flag) {
		if f.NoOptDefVal == "true" {
			f.Value = flagOfBool{f.Value}
		}
	})
	all.StringVar(&s.HTTP, "http", s.HTTP, "`host:port` for HTTP; port 0 is any free one")
	all.StringVar(&s.Store, "store", s.Store, "`URL` of a store to serve in place of a node of its own, as etcd://127.0.0.1:2379/app/ (default: none, a node)")
	all.Var(&s.Routes, "route", "`prefix=URL` of a store that holds the keys with the prefix, as leader/=etcd://127.0.0.1:2379; repeatable (default: none)")
	all.BoolVar(&s.Insecure, "insecure", s.Insecure, "let other machines read and write without encryption")
	all.DurationVar(&s.Delay, "shutdown-delay", s.Delay, "how long it serves on after SIGTERM or SIGINT, while /readyz says 503 and balancers take it out")
	all.TextVar(&s.LogLevel, "log-level", s.LogLevel, "debug, info, warn or error")
	return all
}

// flagOfBool is a flag that is either there or not, as the help shows it.
type flagOfBool struct{ pflag.Value }

// Type is part of pflag.Value.
func (flagOfBool) Type() string { return "bool" }

// readConfig reads a YAML file. A key that it does not know is an error.
func readConfig(path string) (*settings, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	var s settings
	yamls := yaml.NewDecoder(file)
	yamls.KnownFields(true)
	if err := yamls.Decode(&s); err != nil && !errors.Is(err, io.EOF) { // an empty file says nothing
		said := strings.TrimPrefix(err.Error(), "yaml: construct errors: ")
		return nil, fmt.Errorf("%s: %s", path, unknownField.ReplaceAllString(said, `there is no setting "$1"`))
	}
	return &s, nil
}

// unknownField is how the YAML package says that a key is unknown, with a type that only we know.
var unknownField = regexp.MustCompile(`field (\S+) not found in type \S+`)

// under puts the settings of a file under the flags: it sets those that neither
// the line nor the environment has.
func (s *settings) under(flags *pflag.FlagSet) error {
	var errs []error
	s.flags().VisitAll(func(theirs *pflag.Flag) {
		mine := flags.Lookup(theirs.Name)
		if text := theirs.Value.String(); text != "" && !mine.Changed {
			errs = append(errs, mine.Value.Set(text))
		}
	})
	return errors.Join(errs...)
}
