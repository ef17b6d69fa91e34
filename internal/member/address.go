package member

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

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
