package consullab

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
)

// readyWithin bounds how long an agent may take until it takes a write.
const readyWithin = 30 * time.Second

// Agent is one Consul server in a process of its own, a cluster of one. It keeps its address and its data when it is
// killed and started again.
type Agent struct {
	t      testing.TB
	binary string
	dir    string
	config string
	ports  [3]int // HTTP, serf, RPC

	mu     sync.Mutex // guards what follows
	cmd    *exec.Cmd
	exited chan struct{}
	said   *bytes.Buffer // whole when exited
}

// Start starts an agent and waits until it takes writes. It ends with the test. Config is more of the agent's
// configuration, in its own language, as `acl { enabled = true }`.
func Start(t testing.TB, config ...string) *Agent {
	t.Helper()
	binary, err := Binary(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	a := &Agent{t: t, binary: binary, dir: t.TempDir()}
	for _, c := range config {
		a.config += c + "\n"
	}
	t.Cleanup(a.Kill)
	// Consul takes no port of the system's choice, so one found free may be another's by now: then three others are.
	for try := 0; ; try++ {
		a.ports = freePorts(t)
		if err = a.run(); err == nil {
			return a
		}
		if try == 2 {
			t.Fatal(err)
		}
	}
}

// URL is the address of the HTTP API.
func (a *Agent) URL() string { return fmt.Sprintf("http://127.0.0.1:%d", a.ports[0]) }

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

// Kill kills the agent, as a crash does.
func (a *Agent) Kill() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.cmd == nil {
		return
	}
	_ = a.cmd.Process.Kill() // or it has ended already
	<-a.exited
	a.cmd = nil
}

// Freeze makes the agent silent, without an end of its connections, until Thaw. It returns when every thread has stopped.
func (a *Agent) Freeze() {
	a.t.Helper()
	a.signal(syscall.SIGSTOP)
	var how syscall.WaitStatus
	if _, err := syscall.Wait4(a.cmd.Process.Pid, &how, syscall.WUNTRACED, nil); err != nil || !how.Stopped() {
		a.t.Fatalf("the agent did not stop: %v, %v", how, err)
	}
}

// Thaw lets a frozen agent go on.
func (a *Agent) Thaw() { a.signal(syscall.SIGCONT) }

func (a *Agent) signal(s syscall.Signal) {
	a.t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.cmd.Process.Signal(s); err != nil {
		a.t.Fatal(err)
	}
}

// Restart starts a killed agent with what it stored.
func (a *Agent) Restart() {
	a.t.Helper()
	if err := a.run(); err != nil {
		a.t.Fatal(err)
	}
}

// Forget lets a killed agent start anew with nothing stored: its indexes begin again.
func (a *Agent) Forget() {
	a.t.Helper()
	a.dir = a.t.TempDir()
}

// run starts the process and waits until it takes writes.
func (a *Agent) run() error {
	config, more := filepath.Join(a.dir, "agent.hcl"), filepath.Join(a.dir, "more.hcl")
	err := os.WriteFile(config, fmt.Appendf(nil, `
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
		ports { http = %d serf_lan = %d server = %d serf_wan = -1 dns = -1 grpc = -1 grpc_tls = -1 }
		`, filepath.Join(a.dir, "data"), a.ports[0], a.ports[1], a.ports[2]), 0o600)
	if err == nil {
		err = os.WriteFile(more, []byte(a.config), 0o600)
	}
	if err != nil {
		return err
	}
	if err := a.launch("-config-file="+config, "-config-file="+more); err != nil {
		return err
	}
	if err := a.ready(); err != nil {
		a.Kill()
		return fmt.Errorf("consul agent: %w\n%s", err, a.said)
	}
	return nil
}

// launch starts the process.
func (a *Agent) launch(args ...string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.said, a.exited = new(bytes.Buffer), make(chan struct{})
	a.cmd = exec.Command(a.binary, append([]string{"agent"}, args...)...)
	a.cmd.Stdout, a.cmd.Stderr = a.said, a.said
	a.cmd.SysProcAttr = withParent()
	if err := a.cmd.Start(); err != nil {
		a.cmd = nil
		return err
	}
	go func(cmd *exec.Cmd, exited chan struct{}) {
		_ = cmd.Wait() // it says that it was killed
		close(exited)
	}(a.cmd, a.exited)
	return nil
}

// ready waits until the agent has elected itself, takes writes and has registered its own node, with or without a token:
// an agent takes writes a moment before it is a node that a session can belong to.
func (a *Agent) ready() error {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Second}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	limit := time.NewTimer(readyWithin)
	defer limit.Stop()
	for {
		err := answers(client, a.URL()+"/v1/kv/ready", nil)
		if err == nil {
			var session struct{ ID string }
			if err = answers(client, a.URL()+"/v1/session/create", &session); err == nil && session.ID != "" {
				err = answers(client, a.URL()+"/v1/session/destroy/"+session.ID, nil)
			}
		}
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-a.exited:
			return errors.New("it has ended")
		case <-limit.C:
			return fmt.Errorf("it is not ready after %v: %w", readyWithin, err)
		}
	}
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

func freePorts(t testing.TB) (ports [3]int) {
	t.Helper()
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ports[i] = l.Addr().(*net.TCPAddr).Port
	}
	return ports
}
