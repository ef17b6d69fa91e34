package lab

import (
	"bytes"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// Proxy stands between a client and a server. It can be cut off, or lose the answers of the server.
type Proxy struct {
	Address  string
	listener net.Listener
	wg       sync.WaitGroup

	mu     sync.Mutex // guards what follows
	server string
	state  line
	delay  time.Duration
	lost   int // bytes of requests
	trap   *trap
	pairs  map[net.Conn]net.Conn
}

// line is what the proxy lets through.
type line int

const (
	opened line = iota
	mute        // requests arrive, answers do not
	deaf        // answers arrive, requests do not
	cut         // no connection
	gone        // for ever
)

// trap waits for a request, and then closes the line to what it says.
type trap struct {
	mark   []byte
	to     line
	sprung chan struct{}
}

// Before starts a proxy before the server at the address, which ends with the test.
func Before(t testing.TB, address string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{Address: l.Addr().String(), server: address, listener: l, pairs: make(map[net.Conn]net.Conn)}
	p.wg.Go(p.accept)
	t.Cleanup(func() {
		p.set(gone)
		_ = l.Close()
		p.wg.Wait()
	})
	return p
}

// Heal lets everything through again; connections that were mute or deaf break, as they have lost bytes.
func (p *Proxy) Heal() { p.set(opened) }

// Mute keeps the answers of the server from arriving.
func (p *Proxy) Mute() { p.set(mute) }

// Deafen keeps requests from arriving at the server.
func (p *Proxy) Deafen() { p.set(deaf) }

// MuteAt mutes the line when a request passes that contains the mark, and closes the channel then. A mark is found if its
// connection carries it in one piece, as short ones do.
func (p *Proxy) MuteAt(mark string) <-chan struct{} { return p.at(mark, mute) }

// DeafenAt is MuteAt for a request that does not arrive.
func (p *Proxy) DeafenAt(mark string) <-chan struct{} { return p.at(mark, deaf) }

func (p *Proxy) at(mark string, to line) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.trap = &trap{mark: []byte(mark), to: to, sprung: make(chan struct{})}
	return p.trap.sprung
}

// To makes the line one to another server, for connections from now on.
func (p *Proxy) To(address string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.server = address
}

// Lost counts the bytes of requests that did not arrive.
func (p *Proxy) Lost() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lost
}

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
	if p.state != opened || to != mute && to != deaf {
		for client, server := range p.pairs {
			_, _ = client.Close(), server.Close()
		}
	}
	p.state, p.trap = to, nil
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

// join connects the client with the server until one of them ends.
func (p *Proxy) join(client net.Conn) {
	defer client.Close()
	p.mu.Lock()
	address := p.server
	p.mu.Unlock()
	server, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer server.Close()
	p.mu.Lock()
	if p.state == cut || p.state == gone {
		p.mu.Unlock()
		return
	}
	p.pairs[client] = server
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.pairs, client)
		p.mu.Unlock()
	}()
	p.wg.Go(func() {
		p.requests(client, server)
		_, _ = client.Close(), server.Close()
	})
	_, _ = io.Copy(audible{client, p}, server)
}

// parcel is a piece of a request that is to arrive at its time.
type parcel struct {
	at time.Time
	b  []byte
}

// requests hands on what the client says.
func (p *Proxy) requests(client, server net.Conn) {
	parcels := make(chan parcel, 10_000)
	p.wg.Go(func() {
		for next := range parcels {
			late := time.NewTimer(time.Until(next.at))
			<-late.C
			_, _ = server.Write(next.b) // one that is closed is met by whoever reads
		}
	})
	defer close(parcels)
	for b := make([]byte, 32<<10); ; {
		n, err := client.Read(b)
		if err != nil {
			return
		}
		if delay, heard := p.hear(b[:n]); heard {
			parcels <- parcel{time.Now().Add(delay), bytes.Clone(b[:n])}
		}
	}
}

// hear says whether a piece of a request arrives, and how much later.
func (p *Proxy) hear(b []byte) (delay time.Duration, heard bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t := p.trap; t != nil && bytes.Contains(b, t.mark) {
		p.state, p.trap = t.to, nil
		close(t.sprung)
	}
	if p.state == deaf {
		p.lost += len(b)
		return 0, false
	}
	return p.delay, true
}

// audible writes to the client what the server says, unless that is mute.
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
