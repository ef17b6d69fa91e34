package consullab

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
)

// Fate is what becomes of a request on its way to the agent.
type Fate int

// The fates.
const (
	Pass Fate = iota // it is answered
	Cut              // it does not arrive, and its connection ends
	Lose             // it arrives, and its answer is lost with its connection
)

// Proxy stands between clients and an agent.
type Proxy struct {
	server *httptest.Server
	agent  http.Handler

	mu   sync.Mutex // guards fate
	fate func(*http.Request) Fate
}

// Proxy returns a proxy before the agent; it ends with the test.
func (a *Agent) Proxy(t testing.TB) *Proxy {
	t.Helper()
	target, err := url.Parse(a.URL())
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	p := &Proxy{}
	p.agent = &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport: transport,
		// An agent that does not answer is a connection that ends, as without a proxy.
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	p.server = httptest.NewServer(p)
	t.Cleanup(func() {
		p.server.CloseClientConnections() // or it would wait for the watches
		p.server.Close()
		transport.CloseIdleConnections()
	})
	return p
}

// URL is the address of the proxy.
func (p *Proxy) URL() string { return p.server.URL }

// Decide lets f say what becomes of each request, from the next one on; nil lets all pass.
func (p *Proxy) Decide(f func(*http.Request) Fate) {
	p.mu.Lock()
	p.fate = f
	p.mu.Unlock()
}

// Cut ends all connections, and lets no request arrive until Heal.
func (p *Proxy) Cut() {
	p.Decide(func(*http.Request) Fate { return Cut })
	p.server.CloseClientConnections()
}

// Heal lets all requests pass.
func (p *Proxy) Heal() { p.Decide(nil) }

// ServeHTTP is part of http.Handler.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	decide := p.fate
	p.mu.Unlock()
	fate := Pass
	if decide != nil {
		fate = decide(r)
	}
	switch fate {
	case Cut:
		panic(http.ErrAbortHandler)
	case Lose:
		p.agent.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	default:
		p.agent.ServeHTTP(w, r)
	}
}
