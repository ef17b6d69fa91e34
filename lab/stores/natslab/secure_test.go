package natslab_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/starlingkv/starling/internal/lab"
	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/natskv"
	"github.com/starlingkv/starling/lab/stores/natslab"
)

// serves checks that a client reads what it wrote, and what it watches.
func serves(t *testing.T, c *natskv.Client) {
	t.Helper()
	put(t, c, "k", "v")
	if v, err := c.Get(t.Context(), "k"); v != "v" || err != nil {
		t.Errorf("got %v, %v", v, err)
	}
	follow(t, c).told("put k=v", "synced")
}

// refused checks that a client has nothing to say until its deadline, and then says which server it was and why, without
// what is secret.
func refused(t *testing.T, s *natslab.Server, c *natskv.Client, why string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := c.Put(ctx, "k", "w")
	if !errors.Is(err, kv.ErrUnreachable) || !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, kv.ErrUnknown) {
		t.Errorf("got %v, want ErrUnreachable at the deadline", err)
	}
	for _, want := range []string{s.Address(), why} {
		if err == nil || !strings.Contains(strings.ToLower(err.Error()), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
	if err != nil && strings.Contains(err.Error(), "secret") {
		t.Errorf("%v tells what is secret", err)
	}
}

// A server that speaks TLS only, and wants a certificate of its clients.
func TestTLS(t *testing.T) {
	by := lab.NewAuthority(t)
	files := by.Issue("server")
	s := natslab.Start(t, natslab.Config{"tls": map[string]any{
		"cert_file": files.Cert, "key_file": files.Key, "ca_file": by.File, "verify": true,
	}})
	good := by.Client("client")
	serves(t, open(t, s.URL(), natskv.Connect(nats.Secure(good))))

	for name, c := range map[string]struct {
		config *tls.Config
		why    string
	}{
		"of another authority": {&tls.Config{MinVersion: tls.VersionTLS12, RootCAs: lab.NewAuthority(t).Pool, Certificates: good.Certificates}, "certificate"},
		// The server says what it misses and ends the connection, and the end may overtake what it says.
		"without a certificate": {&tls.Config{MinVersion: tls.VersionTLS12, RootCAs: by.Pool}, "nats"},
		"that trusts nobody":    {&tls.Config{MinVersion: tls.VersionTLS12, RootCAs: x509.NewCertPool(), Certificates: good.Certificates}, "certificate"},
	} {
		t.Run(name, func(t *testing.T) { refused(t, s, open(t, s.URL(), natskv.Connect(nats.Secure(c.config))), c.why) })
	}
	t.Run("without TLS", func(t *testing.T) { refused(t, s, open(t, s.URL()), "certificate") })
}

// A server with users and passwords.
func TestPasswords(t *testing.T) {
	s := natslab.Start(t, natslab.Config{"authorization": map[string]any{"users": []map[string]any{
		{"user": "me", "password": "secret"},
	}}})
	serves(t, open(t, "nats://me:secret@"+s.Address()))
	serves(t, open(t, s.URL(), natskv.Connect(nats.UserInfo("me", "secret"))))
	refused(t, s, open(t, "nats://me:wrongsecret@"+s.Address()), "authorization")
	refused(t, s, open(t, s.URL()), "authorization")
}

// house is an operator with one account, as a server knows it.
type house struct {
	operator, account nkeys.KeyPair
	config            natslab.Config
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{operator: key(t, nkeys.CreateOperator), account: key(t, nkeys.CreateAccount)}
	system := key(t, nkeys.CreateAccount)
	operator := jwt.NewOperatorClaims(public(t, h.operator))
	operator.SystemAccount = public(t, system)
	account := jwt.NewAccountClaims(public(t, h.account))
	account.Limits.JetStreamLimits = jwt.JetStreamLimits{MemoryStorage: jwt.NoLimit, DiskStorage: jwt.NoLimit, Streams: jwt.NoLimit, Consumer: jwt.NoLimit}
	h.config = natslab.Config{
		"operator": signed(t, operator, h.operator), "system_account": public(t, system), "resolver": "MEMORY",
		"resolver_preload": map[string]string{
			public(t, h.account): signed(t, account, h.operator),
			public(t, system):    signed(t, jwt.NewAccountClaims(public(t, system)), h.operator),
		},
	}
	return h
}

// credentials writes the file of a new user of the account.
func (h *house) credentials(t *testing.T) string {
	t.Helper()
	user := key(t, nkeys.CreateUser)
	seed, err := user.Seed()
	if err != nil {
		t.Fatal(err)
	}
	text, err := jwt.FormatUserConfig(signed(t, jwt.NewUserClaims(public(t, user)), h.account), seed)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "user.creds")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func key(t *testing.T, create func() (nkeys.KeyPair, error)) nkeys.KeyPair {
	t.Helper()
	pair, err := create()
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

func public(t *testing.T, pair nkeys.KeyPair) string {
	t.Helper()
	name, err := pair.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	return name
}

func signed(t *testing.T, claims jwt.Claims, by nkeys.KeyPair) string {
	t.Helper()
	token, err := claims.Encode(by)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// A server that knows an operator, and users by a file of credentials; over TLS too.
func TestCredentials(t *testing.T) {
	by, h := lab.NewAuthority(t), newHouse(t)
	files := by.Issue("server")
	s := natslab.Start(t, h.config, natslab.Config{"tls": map[string]any{"cert_file": files.Cert, "key_file": files.Key}})
	secure := nats.Secure(&tls.Config{MinVersion: tls.VersionTLS12, RootCAs: by.Pool})
	c := open(t, s.URL(), natskv.Connect(secure), natskv.Connect(nats.UserCredentials(h.credentials(t))))
	serves(t, c)
	s.Kill()
	s.Restart()
	if v, err := c.Get(t.Context(), "k"); v != "v" || err != nil {
		t.Errorf("after a restart: %v, %v", v, err)
	}
	stranger := nats.UserCredentials(newHouse(t).credentials(t))
	refused(t, s, open(t, s.URL(), natskv.Connect(secure, stranger)), "authorization")
	refused(t, s, open(t, s.URL(), natskv.Connect(secure)), "authorization")
}
