package etcdlab

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/starlingkv/starling/internal/lab"
	"github.com/starlingkv/starling/kv"
	"github.com/starlingkv/starling/kv/etcdkv"
)

// TestTLS: a server that wants a certificate of its clients.
func TestTLS(t *testing.T) {
	t.Parallel()
	authority := lab.NewAuthority(t)
	cluster := Start(t, 1, Secure(authority))
	c := open(t, cluster, etcdkv.TLS(authority.Client("client")))
	if _, err := c.Put(t.Context(), "k", []byte("v")); err != nil {
		t.Errorf("with the certificates: %v", err)
	}
	stranger := authority.Client("client")
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
	cluster := Start(t, 1, Config{"auth-token": "simple", "bcrypt-cost": 4})
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
