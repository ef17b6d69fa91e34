package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"

	"github.com/spf13/cobra"

	"github.com/starlingkv/starling"
)

// serverFlags are the flags of server.
type serverFlags struct {
	opts     starling.Options
	http     string
	logLevel slog.Level
	insecure bool
}

func (p *program) serverCommand() *cobra.Command {
	var f serverFlags
	c := &cobra.Command{
		Use:     "server",
		Aliases: []string{"agent"},
		Short:   "run a node",
		Long: "Runs one node until it is told to stop; then it hands over what it knows and leaves. Off the loopback address it\n" +
			"wants a cluster name, so that clusters never merge by accident, and, as there is no encryption yet, --insecure.",
		Args: arguments(0, 0),
	}
	flags := c.Flags()
	flags.StringVar(&f.opts.Cluster, "cluster", "", "name of the cluster, of [a-z0-9.-]; on the loopback address \"local\" by default")
	flags.StringVar(&f.opts.Name, "name", "", "name of this node in the cluster; by default the host's and a random part")
	flags.StringVar(&f.opts.Bind, "bind", "127.0.0.1:7171", "address for gossip, UDP and TCP; port 0 is any free one")
	flags.StringVar(&f.opts.Advertise, "advertise", "", "address the others are told, if it is another")
	flags.StringSliceVar(&f.opts.Seeds, "seed", nil, "address of another node; repeatable, the own address among them does no harm")
	flags.StringVar(&f.http, "http", "127.0.0.1:7070", "address for HTTP; port 0 is any free one")
	flags.BoolVar(&f.insecure, "insecure", false, "let others read and write without encryption")
	flags.TextVar(&f.logLevel, "log-level", slog.LevelInfo, "debug, info, warn or error")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := f.check(); err != nil {
			return usage(c, err)
		}
		return p.server(c.Context(), f)
	}
	return c
}

// check refuses what should not be open to others by accident.
func (f *serverFlags) check() error {
	if err := f.opts.Validate(); err != nil {
		return err
	}
	for _, a := range []struct{ flag, addr string }{{"--bind", f.opts.Bind}, {"--http", f.http}} {
		host, _, err := net.SplitHostPort(a.addr)
		if err != nil {
			return fmt.Errorf("%s: %w", a.flag, err)
		}
		if !isLoopback(host) && !f.insecure {
			return fmt.Errorf("%s %s is open to other machines, without encryption: say --insecure if that is meant", a.flag, a.addr)
		}
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
}

func (p *program) server(ctx context.Context, f serverFlags) error {
	f.opts.Logger = slog.New(slog.NewTextHandler(p.err, &slog.HandlerOptions{Level: f.logLevel}))
	at, err := net.Listen("tcp", f.http)
	if err != nil {
		return err
	}
	s, err := serve(f.opts, at)
	if err != nil {
		return err
	}
	r := running{Node: s.node.Name(), Cluster: s.node.Cluster(), HTTP: s.url, Gossip: s.node.Addr()}
	if format := p.format(asTable); format == asJSON || format == asLines {
		err = p.json(asLines, r)
	} else {
		_, err = io.WriteString(p.out, fmt.Sprintf("node %s of cluster %s: %s, gossip at %s\n", r.Node, r.Cluster, r.HTTP, r.Gossip))
	}
	if err == nil {
		err = s.wait(ctx)
	}
	return errors.Join(err, s.close())
}
