package etcdlab

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/etcdkv"
)

// TestTLS: a server that wants a certificate of its clients.
func TestTLS(t *testing.T) {
	t.Parallel()
	files := certificates(t)
	cluster := Start(t, 1, func(cfg *Config) {
		for _, urls := range [][]url.URL{cfg.ListenClientUrls, cfg.AdvertiseClientUrls} {
			urls[0].Scheme = "https"
		}
		cfg.ClientTLSInfo.CertFile, cfg.ClientTLSInfo.KeyFile = files.cert, files.key
		cfg.ClientTLSInfo.TrustedCAFile, cfg.ClientTLSInfo.ClientCertAuth = files.ca, true
	})
	c := open(t, cluster, etcdkv.TLS(files.config(t)))
	if _, err := c.Put(t.Context(), "k", []byte("v")); err != nil {
		t.Errorf("with the certificates: %v", err)
	}
	stranger := files.config(t)
	stranger.RootCAs = x509.NewCertPool()
	for name, conf := range map[string]*tls.Config{"without TLS": nil, "with a server of which it trusts nobody": stranger} {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		_, err := open(t, cluster, etcdkv.TLS(conf)).Get(ctx, "k")
		cancel()
		if !errors.Is(err, kv.ErrUnreachable) || !strings.Contains(err.Error(), cluster.Members[0].Endpoint) {
			t.Errorf("%s: %v, want an error that names the server", name, err)
		}
		if conf != nil && !strings.Contains(err.Error(), "certificate") {
			t.Errorf("%s: %v, want why", name, err)
		}
	}
}

// TestAuth: a user who may see one prefix.
func TestAuth(t *testing.T) {
	t.Parallel()
	cluster := Start(t, 1, func(cfg *Config) { cfg.AuthToken, cfg.BcryptCost = "simple", 4 })
	plain := cluster.plain(t)
	for _, err := range []error{
		second(plain.RoleAdd(t.Context(), "app")),
		second(plain.RoleGrantPermission(t.Context(), "app", "app/", clientv3.GetPrefixRangeEnd("app/"), clientv3.PermissionType(clientv3.PermReadWrite))),
		second(plain.UserAdd(t.Context(), "root", "rootpass")),
		second(plain.UserGrantRole(t.Context(), "root", "root")),
		second(plain.UserAdd(t.Context(), "me", "mypass")),
		second(plain.UserGrantRole(t.Context(), "me", "app")),
		second(plain.AuthEnable(t.Context())),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	me := open(t, cluster, etcdkv.Auth("me", "mypass"))
	c := kv.Prefix(me, "app/")
	watch := eventsOf(t, c.(kv.Watcher).Events(t.Context(), ""))
	watch.until("synced")
	if err := c.CAS(t.Context(), "k", func(any) (any, bool, error) { return []byte("v"), true, nil }); err != nil {
		t.Errorf("in the own prefix: %v", err)
	}
	watch.until("put k=v")
	if _, err := me.Put(t.Context(), "other", []byte("v"), kv.TTL(time.Minute)); err == nil || !strings.Contains(err.Error(), "permission denied") || errors.Is(err, kv.ErrUnreachable) {
		t.Errorf("outside of it: %v, want that it is not allowed", err)
	}
	for _, err := range me.Events(t.Context(), "other") {
		if err == nil || !strings.Contains(err.Error(), "permission denied") {
			t.Errorf("a watch outside of it: %v, want that it is not allowed", err)
		}
	}
	for name, opts := range map[string][]etcdkv.Option{"nobody": nil, "a wrong password": {etcdkv.Auth("me", "guess")}} {
		_, err := open(t, cluster, opts...).Get(t.Context(), "app/k")
		if err == nil || errors.Is(err, kv.ErrUnreachable) || !strings.Contains(err.Error(), cluster.Members[0].Endpoint) {
			t.Errorf("%s: %v, want an error at once that names the server", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// pems are the files of an authority and of one certificate, for the server and its clients.
type pems struct{ ca, cert, key string }

func certificates(t *testing.T) pems {
	t.Helper()
	dir := t.TempDir()
	p := pems{filepath.Join(dir, "ca.pem"), filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "lab"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "member"},
		NotBefore: authority.NotBefore, NotAfter: authority.NotAfter,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	caKey, leafKey := newKey(t), newKey(t)
	write := func(file, kind string, der []byte, err error) {
		t.Helper()
		if err == nil {
			err = os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, authority, authority, caKey.Public(), caKey)
	write(p.ca, "CERTIFICATE", der, err)
	der, err = x509.CreateCertificate(rand.Reader, leaf, authority, leafKey.Public(), caKey)
	write(p.cert, "CERTIFICATE", der, err)
	der, err = x509.MarshalPKCS8PrivateKey(leafKey)
	write(p.key, "PRIVATE KEY", der, err)
	return p
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (p pems) config(t *testing.T) *tls.Config {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(p.cert, p.key)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(p.ca)
	if err != nil {
		t.Fatal(err)
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(ca)
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: trusted, Certificates: []tls.Certificate{pair}}
}
