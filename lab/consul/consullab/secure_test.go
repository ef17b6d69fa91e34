package consullab

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/consulkv"
)

const master = "11111111-2222-3333-4444-555555555555"

// TestAToken: a token that is good for the prefix and for sessions is enough, and a refusal is told at once.
func TestAToken(t *testing.T) {
	t.Parallel()
	a := Start(t, `acl { enabled = true default_policy = "deny" tokens { initial_management = "`+master+`" } }`)
	admin, err := api.NewClient(&api.Config{Address: a.URL(), Token: master, HttpClient: a.plainHTTP(t)})
	if err != nil {
		t.Fatal(err)
	}
	policy, _, err := admin.ACL().PolicyCreate(&api.ACLPolicy{Name: "team", Rules: `
		key_prefix "team/" { policy = "write" }
		session_prefix "" { policy = "write" }`}, nil)
	if err != nil {
		t.Fatal(err)
	}
	token, _, err := admin.ACL().TokenCreate(&api.ACLToken{Policies: []*api.ACLLink{{ID: policy.ID}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	c := a.open(t, consulkv.Token(token.SecretID), consulkv.Prefix("team/"))
	put(t, c, "k", "v")
	put(t, c, "short", "v", kv.TTL(time.Hour))
	if keys, err := c.List(soon(t), ""); err != nil || fmt.Sprint(keys) != "[k short]" {
		t.Errorf("keys %q, %v", keys, err)
	}
	if err := c.Delete(soon(t), "short"); err != nil {
		t.Error(err)
	}
	for name, refused := range map[string]*consulkv.Client{
		"no token":       a.open(t, consulkv.Prefix("team/")),
		"a wrong token":  a.open(t, consulkv.Prefix("team/"), consulkv.Token("99999999-2222-3333-4444-555555555555")),
		"another prefix": a.open(t, consulkv.Prefix("other/"), consulkv.Token(token.SecretID)),
	} {
		_, err := refused.Put(soon(t), "k", "v")
		if err == nil || !strings.Contains(err.Error(), "403") || !strings.Contains(err.Error(), a.URL()) || strings.Contains(err.Error(), token.SecretID) {
			t.Errorf("Put with %s = %v, want that the server refuses it", name, err)
		}
	}
	// A watch that is refused ends with the reason.
	ended := false
	for _, err := range a.open(t, consulkv.Prefix("other/"), consulkv.Token("99999999-2222-3333-4444-555555555555")).Events(soon(t), "") {
		ended = err != nil && strings.Contains(err.Error(), "403")
	}
	if !ended {
		t.Error("a watch with a wrong token did not end with the reason")
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	dir := t.TempDir()
	server := ca.issue(t, "server")
	for name, blob := range map[string][]byte{"ca.pem": ca.pem, "cert.pem": server.cert, "key.pem": server.key} {
		if err := os.WriteFile(filepath.Join(dir, name), blob, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	port := freePorts(t)[0]
	a := Start(t, fmt.Sprintf(`
		ports { https = %d }
		tls { https { ca_file = %q cert_file = %q key_file = %q verify_incoming = true } }`,
		port, filepath.Join(dir, "ca.pem"), filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")))
	url := fmt.Sprintf("https://127.0.0.1:%d", port)
	own := ca.issue(t, "client")
	pair, err := tls.X509KeyPair(own.cert, own.key)
	if err != nil {
		t.Fatal(err)
	}
	good := &tls.Config{RootCAs: ca.pool, Certificates: []tls.Certificate{pair}}
	c := openAt(t, url, consulkv.TLS(good))
	put(t, c, "k", "v")
	if v, err := a.open(t).Get(soon(t), "k"); v != "v" || err != nil {
		t.Errorf("beside TLS: %v, %v", v, err)
	}
	for name, bad := range map[string]*tls.Config{
		"no certificate":      {RootCAs: ca.pool},
		"another's authority": {RootCAs: newAuthority(t).pool, Certificates: []tls.Certificate{pair}},
	} {
		refused := openAt(t, url, consulkv.TLS(bad), consulkv.Patience(200*time.Millisecond))
		if _, err := refused.Get(t.Context(), "k"); err == nil || !strings.Contains(err.Error(), url) || !strings.Contains(err.Error(), "certificate") {
			t.Errorf("Get with %s = %v, want an error about the certificate", name, err)
		}
	}
}

// authority signs certificates for 127.0.0.1.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
	pool *x509.CertPool
}

type issued struct{ cert, key []byte }

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{cert: cert, key: key, pem: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pool: x509.NewCertPool()}
	a.pool.AddCert(cert)
	return a
}

func (a *authority) issue(t *testing.T, name string) issued {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	bits, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return issued{
		cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		key:  pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: bits}),
	}
}
