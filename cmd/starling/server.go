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
	"github.com/spf13/pflag"
)

func (p *program) serverCommand() *cobra.Command {
	s := defaultSettings()
	var file string
	c := &cobra.Command{
		Use:     "server",
		Aliases: []string{"agent"},
		Short:   "run a node",
		Long: "Runs one node until it is told to stop; then it hands over what it knows and leaves. Off the loopback address it\n" +
			"wants a cluster name, so that clusters never merge by accident, and, as there is no encryption yet, --insecure.",
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
	if err := s.Node.Validate(); err != nil {
		return err
	}
	for _, a := range []struct{ flag, addr string }{{"--bind", s.Node.Bind}, {"--http", s.HTTP}} {
		host, _, err := net.SplitHostPort(a.addr)
		if err != nil {
			return fmt.Errorf("%s: %w", a.flag, err)
		}
		if !isLoopback(host) && s.Node.Cluster == "" {
			return fmt.Errorf("%s %s is open to other machines: say --cluster and a name, so that clusters never merge by accident", a.flag, a.addr)
		}
		if !isLoopback(host) && !s.Insecure {
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

func (s *served) running() running {
	return running{Node: s.node.Name(), Cluster: s.node.Cluster(), HTTP: s.url, Gossip: s.node.Addr()}
}

func (p *program) server(ctx context.Context, of settings) error {
	of.Node.Logger = slog.New(slog.NewTextHandler(p.err, &slog.HandlerOptions{Level: of.LogLevel}))
	at, err := net.Listen("tcp", of.HTTP)
	if err != nil {
		return err
	}
	s, err := serve(of.Node, at)
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
		_, err = io.WriteString(p.out, fmt.Sprintf("node %s of cluster %s: %s, gossip at %s\n", r.Node, r.Cluster, r.HTTP, r.Gossip))
	}
	if err == nil {
		err = s.wait(ctx)
	}
	return errors.Join(err, s.close())
}
