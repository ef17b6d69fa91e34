// Package consullab runs the real Consul agent beside a test: a server of its own, which can be killed, frozen and started
// again, with or without what it stored.
package consullab

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/starlingkv/starling/internal/lab"
)

// Agent is one Consul server in a process of its own, a cluster of one. It keeps its addresses and its data when it is
// killed and started again.
type Agent struct {
	*lab.Server
	t    testing.TB
	data string
}

// The ports of an agent.
const (
	httpPort = iota
	httpsPort
	serfPort
	rpcPort
	agentPorts
)

// Start starts an agent and waits until it takes writes. It ends with the test. Config is more of the agent's
// configuration, in its own language, as `acl { enabled = true }`.
func Start(t testing.TB, config ...string) *Agent {
	t.Helper()
	a := &Agent{t: t}
	a.Server = lab.Start(t, lab.Fleet{Size: 1, Ports: agentPorts, Program: func(_ int, ports [][]int) lab.Program {
		return a.program(ports[0], config)
	}})[0]
	return a
}

// program writes the configuration of an agent that has stored nothing.
func (a *Agent) program(ports []int, more []string) lab.Program {
	a.t.Helper()
	binary, err := Binary(a.t.Context())
	if err != nil {
		a.t.Fatal(err)
	}
	dir := a.t.TempDir()
	a.data = filepath.Join(dir, "data")
	own := fmt.Sprintf(`
		server = true
		bootstrap_expect = 1
		node_name = "lab"
		disable_host_node_id = true
		data_dir = %q
		bind_addr = "127.0.0.1"
		client_addr = "127.0.0.1"
		log_level = "error"
		disable_update_check = true
		enable_agent_tls_for_checks = false
		limits { http_max_conns_per_client = 10000 }
		performance { raft_multiplier = 1 }
		ports { http = %d https = %d serf_lan = %d server = %d serf_wan = -1 dns = -1 grpc = -1 grpc_tls = -1 }
		`, a.data, ports[httpPort], ports[httpsPort], ports[serfPort], ports[rpcPort])
	args := []string{"agent"}
	for i, text := range append([]string{own}, more...) {
		file := filepath.Join(dir, fmt.Sprint(i, ".hcl"))
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			a.t.Fatal(err)
		}
		args = append(args, "-config-file="+file)
	}
	url := "http://" + lab.Address(ports[httpPort])
	return lab.Program{Name: "consul agent", Path: binary, Args: args, Ready: func() error { return ready(url) }}
}

// URL is the address of the HTTP API.
func (a *Agent) URL() string { return "http://" + a.Address() }

// Address is that of the HTTP API as host:port.
func (a *Agent) Address() string { return lab.Address(a.Port(httpPort)) }

// Consul is Consul's own client, as others use it.
func (a *Agent) Consul(t testing.TB) *api.Client {
	t.Helper()
	c, err := api.NewClient(&api.Config{Address: a.URL(), HttpClient: a.plainHTTP(t)})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// plainHTTP is an HTTP client that leaves nothing behind.
func (a *Agent) plainHTTP(t testing.TB) *http.Client {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// Freeze makes the agent silent, without an end of its connections, until Thaw. It returns when every thread has stopped.
func (a *Agent) Freeze() {
	a.t.Helper()
	a.signal(syscall.SIGSTOP)
	var how syscall.WaitStatus
	if _, err := syscall.Wait4(a.PID(), &how, syscall.WUNTRACED, nil); err != nil || !how.Stopped() {
		a.t.Fatalf("the agent did not stop: %v, %v", how, err)
	}
}

// Thaw lets a frozen agent go on.
func (a *Agent) Thaw() { a.signal(syscall.SIGCONT) }

func (a *Agent) signal(s syscall.Signal) {
	a.t.Helper()
	if err := syscall.Kill(a.PID(), s); err != nil {
		a.t.Fatal(err)
	}
}

// Forget lets a killed agent start anew with nothing stored: its indexes begin again.
func (a *Agent) Forget() {
	a.t.Helper()
	if err := os.RemoveAll(a.data); err != nil {
		a.t.Fatal(err)
	}
}

// ready returns nil when the agent has elected itself, takes writes and has registered its own node, with or without a
// token: an agent takes writes a moment before it is a node that a session can belong to.
func ready(url string) error {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Second}
	if err := answers(client, url+"/v1/kv/ready", nil); err != nil {
		return err
	}
	var session struct{ ID string }
	if err := answers(client, url+"/v1/session/create", &session); err != nil || session.ID == "" {
		return err
	}
	return answers(client, url+"/v1/session/destroy/"+session.ID, nil)
}

// answers PUTs nothing to the URL and reads the answer into out; that a token is missing is an answer too.
func answers(client *http.Client, url string, out any) error {
	req, err := http.NewRequest(http.MethodPut, url, bytes.NewReader(nil))
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return err
	case resp.StatusCode == http.StatusForbidden:
		return nil
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("%s: %s", resp.Status, body)
	case out != nil:
		return json.Unmarshal(body, out)
	}
	return nil
}
