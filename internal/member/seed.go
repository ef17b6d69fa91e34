package member

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Resolver looks up names. *net.Resolver is one.
type Resolver interface {
	// LookupNetIP returns the addresses of a host.
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
	// LookupSRV returns the records of name, if service and proto are empty.
	LookupSRV(ctx context.Context, service, proto, name string) (string, []*net.SRV, error)
}

var _ Resolver = (*net.Resolver)(nil)

// seed is a parsed seed: how to find addresses that may be worth calling.
type seed struct {
	kind seedKind
	name string // a host, the name of SRV records, or the path of a file
	port uint16 // 0: that of the record
}

type seedKind string

// The prefixes of seeds. What has none is host:port, which dnsSeed is too.
const (
	hostSeed     seedKind = ""
	dnsSeed      seedKind = "dns+"
	srvSeed      seedKind = "dnssrv+"
	srvPlainSeed seedKind = "dnssrvnoa+"
	fileSeed     seedKind = "file+"
)

// CheckSeed says what is wrong with a seed.
func CheckSeed(text string) error {
	_, err := parseSeed(text)
	return err
}

func parseSeed(text string) (seed, error) {
	wrong := func(why string) (seed, error) { return seed{}, fmt.Errorf("seed %q: %s", text, why) }
	prefix, rest, found := strings.Cut(text, "+")
	kind := seedKind(prefix + "+")
	if !found {
		kind, rest = hostSeed, text
	}
	switch kind {
	case fileSeed:
		if rest == "" {
			return wrong("want file+PATH")
		}
		return seed{kind: kind, name: rest}, nil
	case srvSeed, srvPlainSeed:
		if rest == "" || strings.ContainsAny(rest, ": /") {
			return wrong("want " + prefix + "+NAME, the port is in the record")
		}
		return seed{kind: kind, name: rest}, nil
	case hostSeed, dnsSeed:
	default:
		return wrong("want host:port, dns+host:port, dnssrv+NAME, dnssrvnoa+NAME or file+PATH")
	}
	host, port, err := net.SplitHostPort(rest)
	if err != nil {
		return seed{}, fmt.Errorf("seed %q: %w", text, err)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 || host == "" {
		return wrong("want host:port")
	}
	return seed{kind: kind, name: host, port: uint16(n)}, nil
}

// lookupTimeout bounds the look-up of one seed.
const lookupTimeout = 2 * time.Second

// errNoRecords is an answer without any.
var errNoRecords = errors.New("no records")

// lookup returns the addresses of a seed as of now, in order. Those of a file
// may be none.
func (s seed) lookup(ctx context.Context, r Resolver) ([]netip.AddrPort, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	var out []netip.AddrPort
	var err error
	switch s.kind {
	case fileSeed:
		out, err = s.lookupFile(ctx, r)
	case srvSeed, srvPlainSeed:
		out, err = s.lookupRecords(ctx, r)
	default:
		out, err = lookupHost(ctx, r, s.name, s.port)
	}
	slices.SortFunc(out, netip.AddrPort.Compare)
	return slices.Compact(out), err
}

func lookupHost(ctx context.Context, r Resolver, host string, port uint16) ([]netip.AddrPort, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.AddrPort{netip.AddrPortFrom(ip.Unmap(), port)}, nil
	}
	ips, err := r.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	var out []netip.AddrPort
	for _, ip := range ips {
		out = append(out, netip.AddrPortFrom(ip.Unmap(), port))
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("lookup %s: %w", host, errNoRecords)
	}
	return out, nil
}

// lookupRecords returns the addresses of all targets that have any.
func (s seed) lookupRecords(ctx context.Context, r Resolver) ([]netip.AddrPort, error) {
	_, records, err := r.LookupSRV(ctx, "", "", s.name)
	if len(records) == 0 {
		if err == nil {
			err = fmt.Errorf("lookup %s: %w", s.name, errNoRecords)
		}
		return nil, err
	}
	var out []netip.AddrPort
	var errs []error
	for _, record := range records {
		addrs, err := lookupHost(ctx, r, record.Target, record.Port)
		out = append(out, addrs...)
		errs = append(errs, err)
	}
	if len(out) > 0 {
		return out, nil
	}
	return nil, errors.Join(errs...)
}

// maxSeedFile bounds a file of seeds: ten thousand long lines.
const maxSeedFile = 1 << 20

// lookupFile returns the addresses of all lines that have any. A file that does
// not exist or does not parse is an error, one that is empty names nobody.
func (s seed) lookupFile(ctx context.Context, r Resolver) ([]netip.AddrPort, error) {
	lines, err := readSeedFile(s.name)
	if err != nil {
		return nil, err
	}
	var out []netip.AddrPort
	var errs []error
	for _, line := range lines {
		addrs, err := line.lookup(ctx, r)
		out = append(out, addrs...)
		errs = append(errs, err)
	}
	if len(out) > 0 {
		return out, nil
	}
	return nil, errors.Join(errs...)
}

// readSeedFile reads one seed per line; blank lines and what follows # are
// skipped. Of a file that is too large none is taken: where it was cut, another
// address might stand.
func readSeedFile(path string) ([]seed, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	var out []seed
	bounded := &io.LimitedReader{R: f, N: maxSeedFile + 1}
	lines := bufio.NewScanner(bounded)
	for lines.Scan() {
		text, _, _ := strings.Cut(lines.Text(), "#")
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		s, err := parseSeed(text)
		if err == nil && s.kind == fileSeed {
			err = fmt.Errorf("seed %q: a file of seeds cannot name another", text)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		out = append(out, s)
	}
	if bounded.N == 0 {
		return nil, fmt.Errorf("%s: a file of seeds holds at most %d bytes", path, maxSeedFile)
	}
	return out, lines.Err()
}
