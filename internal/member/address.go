package member

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/hashicorp/go-sockaddr"
)

// advertised is the address that others are told: what was asked for, else the
// bound one, else a private one of this host.
func advertised(want, bound netip.AddrPort) (netip.AddrPort, error) {
	ip, port := want.Addr(), want.Port()
	if port == 0 {
		port = bound.Port()
	}
	if !ip.IsValid() || ip.IsUnspecified() {
		ip = bound.Addr()
	}
	if !ip.IsUnspecified() {
		return netip.AddrPortFrom(ip.Unmap(), port), nil
	}
	private, err := sockaddr.GetPrivateIP()
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("look for an address to advertise: %w", err)
	}
	if ip, err = netip.ParseAddr(private); err != nil {
		return netip.AddrPort{}, errors.New("this host has no private address: say which one to advertise")
	}
	return netip.AddrPortFrom(ip, port), nil
}

// lookupTimeout bounds the look-up of one seed.
const lookupTimeout = 2 * time.Second

// Lookup returns the addresses of a seed, host:port.
func Lookup(ctx context.Context, seed string) ([]netip.AddrPort, error) {
	host, service, err := net.SplitHostPort(seed)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if err != nil || port == 0 {
		return nil, fmt.Errorf("seed %q: not a port: %q", seed, service)
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	var out []netip.AddrPort
	for _, ip := range ips {
		out = append(out, netip.AddrPortFrom(ip.Unmap(), uint16(port)))
	}
	return out, nil
}

// isOwn reports whether an address is that of this node.
func (g *Group) isOwn(a netip.AddrPort) bool {
	bound := g.transport.sock.Addr()
	switch {
	case a == g.advertise || a == bound:
		return true
	case a.Port() != bound.Port() || !bound.Addr().IsUnspecified():
		return false
	}
	return slices.Contains(hostAddrs(), a.Addr())
}

// hostAddrs lists the addresses of this host, as far as it tells.
func hostAddrs() []netip.Addr {
	all, _ := net.InterfaceAddrs() // none: then no seed is taken for this node
	var out []netip.Addr
	for _, a := range all {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			out = append(out, p.Addr().Unmap())
		}
	}
	return out
}
