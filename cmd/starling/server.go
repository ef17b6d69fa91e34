package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/starlingkv/starling/cmd/starling/internal/stores"
)

func (p *program) serverCommand() *cobra.Command {
	s := defaultSettings()
	var file string
	c := &cobra.Command{
		Use:     "server",
		Aliases: []string{"agent"},
		Short:   "run a node",
		Long: "Runs one node until it is told to stop; then it hands over what it knows and leaves. Off the loopback address it\n" +
			"wants a cluster name, so that clusters never merge by accident, and, as there is no encryption yet, --insecure.\n\n" +
			"Behind a load balancer give it a --shutdown-delay: after SIGTERM it is not ready any more, and serves that long\n" +
			"before it leaves. A second signal ends it at once.",
		Args: arguments(0, 0),
	}
	flags := c.Flags()
	s.bind(flags, &file)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := s.complete(flags, file); err != nil {
			return usage(c, err)
		}
		return p.server(c.Context(), *s)
	}
	return c
}

// complete takes what the file says, and refuses what should not be open to
// others by accident.
func (s *settings) complete(flags *pflag.FlagSet, config string) error {
	if config != "" {
		theirs, err := readConfig(config)
		if err == nil {
			err = theirs.under(flags)
		}
		if err != nil {
			return err
		}
	}
	if err := errors.Join(s.Node.Validate(), s.checkStores(), s.checkDelay()); err != nil {
		return err
	}
	open := []struct{ flag, addr string }{{"--bind", s.Node.Bind}, {"--http", s.HTTP}}
	if s.Store != "" {
		open = open[1:] // there is no gossip
	}
	for _, a := range open {
		host, _, err := net.SplitHostPort(a.addr)
		if err != nil {
			return fmt.Errorf("%s: %w", a.flag, err)
		}
		if !isLoopback(host) && s.Node.Cluster == "" && s.Store == "" {
			return fmt.Errorf("%s %s is open to other machines: say --cluster and a name, so that clusters never merge by accident", a.flag, a.addr)
		}
		if !isLoopback(host) && !s.Insecure {
			return fmt.Errorf("%s %s is open to other machines, without encryption: say --insecure if that is meant", a.flag, a.addr)
		}
	}
	return nil
}

// checkDelay refuses a delay that has no meaning.
func (s *settings) checkDelay() error {
	if s.Delay < 0 {
		return fmt.Errorf("--shutdown-delay %v: want zero or more", s.Delay)
	}
	return nil
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// running is what server says once it serves.
type running struct {
	Node    string `json:"node"`
	Cluster string `json:"cluster"`
	HTTP    string `json:"http"`
	Gossip  string `json:"gossip"`
	Store   string `json:"store,omitempty"` // what is served in place of a node of its own
}

// String is what it says to people.
func (r running) String() string {
	if r.Store != "" {
		return fmt.Sprintf("server %s of %s: %s", r.Node, r.Store, r.HTTP)
	}
	return fmt.Sprintf("node %s of cluster %s: %s, gossip at %s", r.Node, r.Cluster, r.HTTP, r.Gossip)
}

// server is what serves until it is told to end: a node, or what stands before a store.
type server interface {
	running() running
	wait(ctx context.Context) error
	drain(delay time.Duration) error
	close() error
}

// serve starts what the settings say.
func (s *settings) serve(ctx context.Context) (server, error) {
	routes, err := openRoutes(ctx, s.Routes, s.Node.Logger)
	if err != nil {
		return nil, err
	}
	at, err := net.Listen("tcp", s.HTTP)
	if err != nil {
		return nil, errors.Join(err, routes.close())
	}
	if s.Store != "" {
		return serveStore(ctx, s, at, routes)
	}
	return serve(s.Node, at, routes...)
}

func (s *served) running() running {
	return running{Node: s.node.Name(), Cluster: s.node.Cluster(), HTTP: s.url, Gossip: s.node.Addr()}
}

func (p *program) server(ctx context.Context, of settings) error {
	of.Node.Logger = slog.New(slog.NewTextHandler(stores.Redacted(p.err), &slog.HandlerOptions{Level: of.LogLevel}))
	s, err := of.serve(ctx)
	if err != nil {
		return err
	}
	r := s.running()
	switch p.format(asTable) {
	case asJSON, asLines:
		err = p.json(asLines, r)
	case asRaw:
		_, err = fmt.Fprintln(p.out, r.HTTP)
	default:
		_, err = io.WriteString(p.out, r.String()+"\n")
	}
	if err == nil {
		err = s.wait(ctx)
	}
	if err == nil && ctx.Err() != nil { // a node that was told to leave has left already
		of.Node.Logger.Info("told to end", "delay", of.Delay)
		err = s.drain(of.Delay)
	}
	return errors.Join(err, s.close())
}
