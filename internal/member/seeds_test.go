package member

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"
)

// zone is a DNS server on the loopback address whose records can change.
type zone struct {
	mu      sync.Mutex
	records map[string][]string // name -> records, as in a zone file
	fails   bool
}

// openZone starts the server and returns a resolver that asks it and nobody else.
func openZone(t *testing.T) (*zone, *net.Resolver) {
	t.Helper()
	z := &zone{records: make(map[string][]string)}
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	began := make(chan struct{})
	server := &dns.Server{PacketConn: conn, Handler: z, NotifyStartedFunc: func() { close(began) }}
	ended := make(chan error, 1)
	go func() { ended <- server.ActivateAndServe() }()
	<-began
	t.Cleanup(func() {
		if err := errors.Join(server.Shutdown(), <-ended); err != nil {
			t.Error(err)
		}
	})
	return z, &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

// ServeDNS is part of dns.Handler.
func (z *zone) ServeDNS(w dns.ResponseWriter, ask *dns.Msg) {
	answer := new(dns.Msg).SetReply(ask)
	z.mu.Lock()
	records, known := z.records[ask.Question[0].Name]
	switch {
	case z.fails:
		answer.Rcode = dns.RcodeServerFailure
	case !known:
		answer.Rcode = dns.RcodeNameError
	}
	z.mu.Unlock()
	for _, text := range records {
		r, err := dns.NewRR(ask.Question[0].Name + " 0 IN " + text)
		if err == nil && r.Header().Rrtype == ask.Question[0].Qtype && answer.Rcode == dns.RcodeSuccess {
			answer.Answer = append(answer.Answer, r)
		}
	}
	_ = w.WriteMsg(answer) // a client that is gone does not want it
}

func (z *zone) set(name string, records ...string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.records[name] = records
}

func (z *zone) fail() {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.fails = true
}

// srv is the record of a node at a host.
func srv(p *peer, host string) string {
	_, port, _ := strings.Cut(p.Addr().String(), ":")
	return "SRV 0 0 " + port + " " + host
}

func TestSeedsByRealDNS(t *testing.T) {
	z, resolver := openZone(t)
	z.set("one.test.", "A 10.0.0.2", "A 10.0.0.1", "AAAA ::1")
	z.set("two.test.", "A 10.0.0.3")
	z.set("_gossip._tcp.test.", "SRV 0 0 7171 one.test.", "SRV 0 0 7172 two.test.", "SRV 0 0 7173 gone.test.")
	z.set("empty.test.")
	file := filepath.Join(t.TempDir(), "seeds")
	writeSeeds(t, file, "# the first two\ndns+two.test:1\n\n10.0.0.9:2 # by hand\ngone.test:3\n")
	for _, c := range []struct {
		seed string
		want string // of the addresses; none: an error
	}{
		{"one.test:7171", "[::1]:7171 10.0.0.1:7171 10.0.0.2:7171"},
		{"dns+one.test:7171", "[::1]:7171 10.0.0.1:7171 10.0.0.2:7171"},
		{"dnssrv+_gossip._tcp.test", "[::1]:7171 10.0.0.1:7171 10.0.0.2:7171 10.0.0.3:7172"},
		{"dnssrvnoa+_gossip._tcp.test", "[::1]:7171 10.0.0.1:7171 10.0.0.2:7171 10.0.0.3:7172"},
		{"file+" + file, "10.0.0.3:1 10.0.0.9:2"},
		{"10.0.0.4:5", "10.0.0.4:5"},
		{"gone.test:1", ""},
		{"empty.test:1", ""},
		{"dnssrv+_gone._tcp.test", ""},
		{"dnssrv+empty.test", ""},
		{"file+" + file + ".gone", ""},
	} {
		s, err := newSeeds([]string{c.seed}, resolver, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		got := s.resolve(t.Context())[0]
		want := addrPorts(c.want)
		if !slices.Equal(got.Addrs, want) || (got.Err == nil) != (len(want) > 0) {
			t.Errorf("%s: %v, %v; want %v", c.seed, got.Addrs, got.Err, want)
		}
	}
}

func addrPorts(texts string) []netip.AddrPort {
	var out []netip.AddrPort
	for _, text := range strings.Fields(texts) {
		out = append(out, netip.MustParseAddrPort(text))
	}
	slices.SortFunc(out, netip.AddrPort.Compare)
	return out
}

func writeSeeds(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestBadSeeds(t *testing.T) {
	for _, bad := range []string{"", "node", "node:", ":1", "node:0", "node:x", "dns+node", "dns+", "dnssrv+", "dnssrv+x:1", "dnssrvnoa+a b", "file+", "srv+x"} {
		if err := CheckSeed(bad); err == nil || !strings.Contains(err.Error(), "seed") {
			t.Errorf("CheckSeed(%q) = %v, want an error that names it", bad, err)
		}
	}
	file := filepath.Join(t.TempDir(), "seeds")
	for _, bad := range []string{"10.0.0.1:1\nnonsense", "file+" + file} {
		writeSeeds(t, file, bad)
		if _, err := readSeedFile(file); err == nil {
			t.Errorf("a file of seeds with %q is read, want an error", bad)
		}
	}
	if _, err := Open(Config{Bind: netip.MustParseAddrPort("127.0.0.1:0"), Seeds: []string{"node"}}); err == nil {
		t.Error("a group with a bad seed opens")
	}
}

// TestSeedsAreLookedUpAtEachRejoin moves a name from one member to another.
func TestSeedsAreLookedUpAtEachRejoin(t *testing.T) {
	z, resolver := openZone(t)
	first, second := open(t, "a", "test"), open(t, "b", "test")
	z.set("host.test.", "A 127.0.0.1")
	z.set("_gossip._tcp.test.", srv(first, "host.test."))
	c := openWith(t, Config{
		Name: "c", Cluster: "test", Bind: netip.MustParseAddrPort("127.0.0.1:0"),
		Seeds: []string{"dnssrv+_gossip._tcp.test"}, Resolver: resolver,
	})
	c.until(t, "c joins whom the record names", c.sees("a", Alive))
	c.Settle()
	z.set("_gossip._tcp.test.", srv(second, "host.test."))
	c.until(t, "c joins whom the record names now", c.sees("b", Alive))
	for range 3 {
		c.worthCalling(t.Context()) // nothing has changed: nothing is logged
	}
	log := c.log.String()
	for _, want := range []string{"came=[" + second.Addr().String() + "]", "went=[" + first.Addr().String() + "]"} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %s", want)
		}
	}
	if n := strings.Count(log, "seed found"); n != 2 {
		t.Errorf("%d changes are logged, want 2", n)
	}
	z.fail()
	c.until(t, "the failure is known", func() bool { return c.Seeds()[0].Err != nil })
	if got := c.Seeds()[0].Addrs; !slices.Equal(got, []netip.AddrPort{second.Addr()}) {
		t.Errorf("without a name server the seed is %v, want what it was", got)
	}
}
