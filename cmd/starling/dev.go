package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/starlingkv/starling"
	"github.com/starlingkv/starling/cmd/starling/internal/stores"
)

// devFlags are the flags of dev.
type devFlags struct {
	nodes    int
	port     int
	logLevel slog.Level
}

// maxDev is how many nodes dev runs at most: each takes sockets, and one process is no cluster.
const maxDev = 50

func (p *program) devCommand() *cobra.Command {
	var f devFlags
	c := &cobra.Command{
		Use:   "dev",
		Short: "run a cluster in this process, on the loopback address, to try things",
		Args:  arguments(0, 0),
	}
	c.Flags().IntVar(&f.nodes, "nodes", 3, "how many nodes")
	c.Flags().IntVar(&f.port, "port", 7070, "first port for HTTP; one that is taken is passed over, 0 takes any free ones")
	c.Flags().TextVar(&f.logLevel, "log-level", slog.LevelWarn, "debug, info, warn or error")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if f.nodes < 1 || f.nodes > maxDev {
			return usage(c, fmt.Errorf("--nodes %d: want 1 to %d", f.nodes, maxDev))
		}
		if f.port < 0 || f.port > 65535 {
			return usage(c, fmt.Errorf("--port %d: want 0 to 65535", f.port))
		}
		return p.dev(c.Context(), f)
	}
	return c
}

// dev runs the cluster until ctx ends.
func (p *program) dev(ctx context.Context, f devFlags) (err error) {
	log := slog.New(slog.NewTextHandler(stores.Redacted(p.err), &slog.HandlerOptions{Level: f.logLevel}))
	var nodes []*served
	defer func() {
		for _, s := range nodes {
			err = errors.Join(err, s.close())
		}
	}()
	port := f.port
	for i := range f.nodes {
		at, err := listenFrom(port)
		if err != nil {
			return err
		}
		if port != 0 {
			port = at.Addr().(*net.TCPAddr).Port + 1
		}
		opts := starling.Options{Name: "n" + strconv.Itoa(i+1), Cluster: "dev", Logger: log}
		if i > 0 {
			opts.Seeds = []string{nodes[0].node.Addr()}
		}
		s, err := serve(opts, at)
		if err != nil {
			return err
		}
		nodes = append(nodes, s)
	}
	for _, s := range nodes {
		if err := s.node.WaitSynced(ctx); err != nil {
			return err
		}
	}
	if err := p.greet(nodes); err != nil {
		return err
	}
	return waitAll(ctx, nodes)
}

// listenFrom listens on the first free port of the loopback address from port on; 0 is any.
func listenFrom(port int) (net.Listener, error) {
	for ; ; port++ {
		at, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil || port == 0 || port >= 65535 {
			return at, err
		}
	}
}

// waitAll waits for ctx, for the first node that fails, or until all were told to leave.
func waitAll(ctx context.Context, nodes []*served) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, len(nodes))
	for _, s := range nodes {
		go func() { ended <- s.wait(ctx) }()
	}
	var errs []error
	for range nodes {
		err := <-ended
		if err != nil {
			cancel()
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// greet prints where the nodes are: what there is to try too, or a document per node, as server prints.
func (p *program) greet(nodes []*served) error {
	var all []running
	var urls strings.Builder
	for _, s := range nodes {
		all = append(all, s.running())
		urls.WriteString(s.url + "\n")
	}
	var err error
	switch p.format(asTable) {
	case asJSON, asLines:
		return lines(p, all)
	case asRaw:
		_, err = io.WriteString(p.out, urls.String())
	default:
		_, err = io.WriteString(p.out, welcome(nodes))
	}
	return err
}

// welcome shows the nodes and what to try.
func welcome(nodes []*served) string {
	text := ""
	for _, s := range nodes {
		text += fmt.Sprintf("node %-3s %s\n", s.node.Name(), s.url)
	}
	first, last := nodes[0].url, nodes[len(nodes)-1].url
	return text + "\ntry, in other terminals:\n" +
		"  starling watch greeting --addr " + last + "\n" +
		"  starling put greeting hello --addr " + first + "\n" +
		"  starling status --addr " + first + "\n\n" +
		"Ctrl-C ends it; nothing is kept.\n"
}
