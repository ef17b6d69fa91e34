package etcdlab

import (
	"bytes"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// Proxy stands between a client and a member. It can be cut off, or lose the answers of the member.
type Proxy struct {
	Endpoint string
	member   string
	listener net.Listener
	wg       sync.WaitGroup

	mu    sync.Mutex // guards what follows
	state line
	delay time.Duration
	pairs map[net.Conn]net.Conn
}

// line is what the proxy lets through.
type line int

const (
	opened line = iota
	mute        // requests arrive, answers do not
	cut         // no connection
	gone        // for ever
)

// Before starts a proxy before the member, which ends with the test.
func Before(t testing.TB, m *Member) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{Endpoint: l.Addr().String(), member: m.Endpoint, listener: l, pairs: make(map[net.Conn]net.Conn)}
	p.wg.Go(p.accept)
	t.Cleanup(func() {
		p.set(gone)
		_ = l.Close()
		p.wg.Wait()
	})
	return p
}

// Heal lets everything through again; connections that were mute break, as they have lost bytes.
func (p *Proxy) Heal() { p.set(opened) }

// Mute keeps the answers of the member from arriving.
func (p *Proxy) Mute() { p.set(mute) }

// Slow makes every request arrive later by d.
func (p *Proxy) Slow(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}

// Cut breaks every connection and lets none come about.
func (p *Proxy) Cut() { p.set(cut) }

func (p *Proxy) set(to line) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state != opened || to != mute {
		for client, member := range p.pairs {
			_, _ = client.Close(), member.Close()
		}
	}
	p.state = to
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.wg.Go(func() { p.join(client) })
	}
}

// join connects the client with the member until one of them ends.
func (p *Proxy) join(client net.Conn) {
	defer client.Close()
	member, err := net.Dial("tcp", p.member)
	if err != nil {
		return
	}
	defer member.Close()
	p.mu.Lock()
	if p.state == cut || p.state == gone {
		p.mu.Unlock()
		return
	}
	p.pairs[client] = member
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.pairs, client)
		p.mu.Unlock()
	}()
	p.wg.Go(func() {
		p.requests(client, member)
		_, _ = client.Close(), member.Close()
	})
	_, _ = io.Copy(audible{client, p}, member)
}

// parcel is a piece of a request that is to arrive at its time.
type parcel struct {
	at time.Time
	b  []byte
}

// requests hands on what the client says.
func (p *Proxy) requests(client, member net.Conn) {
	parcels := make(chan parcel, 10_000)
	p.wg.Go(func() {
		for next := range parcels {
			late := time.NewTimer(time.Until(next.at))
			<-late.C
			_, _ = member.Write(next.b) // one that is closed is met by whoever reads
		}
	})
	defer close(parcels)
	for b := make([]byte, 32<<10); ; {
		n, err := client.Read(b)
		if err != nil {
			return
		}
		p.mu.Lock()
		delay := p.delay
		p.mu.Unlock()
		parcels <- parcel{time.Now().Add(delay), bytes.Clone(b[:n])}
	}
}

// audible writes to the client what the member says, unless that is mute.
type audible struct {
	client net.Conn
	proxy  *Proxy
}

// Write is part of io.Writer.
func (a audible) Write(b []byte) (int, error) {
	a.proxy.mu.Lock()
	muted := a.proxy.state == mute
	a.proxy.mu.Unlock()
	if muted {
		return len(b), nil
	}
	return a.client.Write(b)
}
