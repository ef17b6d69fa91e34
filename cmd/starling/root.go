package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/starlingkv/starling/cmd/starling/internal/stores"
	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/httpkv"
)

// globals are the flags of every verb.
type globals struct {
	addr    string
	timeout time.Duration
	output  format
	curl    bool
}

// rootCommand builds the tree of verbs.
func (p *program) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "starling",
		Short:         "shared state for a fleet: a key-value store that agrees by gossip",
		Args:          arguments(0, 0),
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return usage(c, err) })
	flags := root.PersistentFlags()
	flags.StringVar(&p.global.addr, "addr", "http://127.0.0.1:7070", "address of the node to speak to")
	flags.DurationVar(&p.global.timeout, "timeout", 10*time.Second, "how long one request may take; a watch only ends by it if it is given")
	flags.VarP(&p.global.output, "output", "o", "table, json, jsonl or raw; the default depends on the verb and on whether stdout is a terminal")
	flags.BoolVar(&p.global.curl, "curl", false, "print the verb's request, the first if there are several, as a curl command, and send nothing")
	root.AddCommand(
		p.devCommand(), p.serverCommand(),
		p.getCommand(), p.putCommand(), p.createCommand(), p.updateCommand(), p.delCommand(), p.editCommand(),
		p.lsCommand(), p.watchCommand(), p.exportCommand(), p.importCommand(), p.copyCommand(),
		p.membersCommand(), p.statusCommand(), p.checkCommand(), p.diffCommand(), p.doctorCommand(), p.leaveCommand(),
		p.configCommand(), p.simCommand(), p.versionCommand(), p.completionCommand(root), exitCodesTopic(),
	)
	root.SetHelpCommand(helpCommand(root))
	bindEnv(root)
	root.PersistentPreRunE = func(c *cobra.Command, _ []string) error {
		if err := p.fromEnv(c); err != nil {
			return err
		}
		switch path := strings.TrimPrefix(c.CommandPath(), "starling "); {
		case p.global.curl && withoutCurl[path]:
			return usage(c, fmt.Errorf("--curl: %s is no request to a node, or many", path))
		case oneForm[path] && p.global.output != "" && c.Flags().Lookup("output").Annotations[fromEnvironment] == nil:
			return usage(c, fmt.Errorf("--output: %s prints in one form only", path))
		}
		return nil
	}
	return root
}

// helpCommand tells about a verb, or a topic.
func helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [VERB]",
		Short: "tell about a verb, or a topic",
		RunE: func(c *cobra.Command, args []string) error {
			about, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return usage(root, fmt.Errorf("there is no verb and no topic %q", strings.Join(args, " ")))
			}
			return about.Help()
		},
	}
}

// withoutCurl are the verbs that one curl command cannot stand for.
var withoutCurl = map[string]bool{
	"dev": true, "server": true, "sim": true, "version": true, "import": true, "copy": true, "completion": true,
	"config": true, "config print": true, "config check": true,
}

// oneForm are the verbs that have no data to print in one format or another.
var oneForm = map[string]bool{"sim": true, "completion": true}

// envName is the environment variable of a flag.
func envName(flag string) string {
	return "STARLING_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// bindEnv names the variable of every flag in its help.
func bindEnv(c *cobra.Command) {
	name := func(f *pflag.Flag) { f.Usage += " [$" + envName(f.Name) + "]" }
	c.LocalNonPersistentFlags().VisitAll(name)
	c.PersistentFlags().VisitAll(name)
	for _, sub := range c.Commands() {
		bindEnv(sub)
	}
}

// fromEnvironment annotates a flag that its variable has set.
const fromEnvironment = "starling_from_environment"

// fromEnv sets what no flag has set. The line goes before the environment.
func (p *program) fromEnv(c *cobra.Command) error {
	var errs []error
	c.Flags().VisitAll(func(f *pflag.Flag) {
		name := envName(f.Name)
		if value := p.getenv(name); value != "" && !f.Changed && f.Name != "help" {
			err := c.Flags().Set(f.Name, value)
			if err == nil {
				err = c.Flags().SetAnnotation(f.Name, fromEnvironment, []string{name})
			}
			if err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", name, err))
			}
		}
	})
	if err := errors.Join(errs...); err != nil {
		return usage(c, err)
	}
	return nil
}

// arguments wants from least to most arguments.
func arguments(least, most int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		switch {
		case c.Parent() == nil && len(args) > 0:
			return usage(c, fmt.Errorf("there is no verb %q", args[0]))
		case len(args) < least:
			return usage(c, fmt.Errorf("%s: an argument is missing: %s", c.Name(), c.UseLine()))
		case len(args) > most:
			return usage(c, fmt.Errorf("%s: %q is too much: %s", c.Name(), args[most], c.UseLine()))
		}
		return nil
	}
}

// dial returns a client of the node at --addr. Nothing is sent yet.
func (p *program) dial(c *cobra.Command) (*httpkv.Client, error) { return p.dialTo(c, p.global.addr) }

// dialTo returns a client of the node at an address, whose scheme may be left out.
func (p *program) dialTo(c *cobra.Command, addr string) (*httpkv.Client, error) {
	log := slog.New(slog.NewTextHandler(stores.Redacted(p.err), nil)) // a watch that breaks and goes on says so
	opts := []httpkv.Option{httpkv.Logger(log)}
	if p.global.curl {
		opts = append(opts, httpkv.HTTP(&http.Client{Transport: curlPrinter{p.out}}))
	}
	if _, _, err := net.SplitHostPort(addr); err == nil && !strings.Contains(addr, "/") {
		addr = "http://" + addr
	}
	client, err := httpkv.New(addr, kv.Bytes, opts...)
	if err != nil {
		return nil, usage(c, err)
	}
	return client, nil
}
