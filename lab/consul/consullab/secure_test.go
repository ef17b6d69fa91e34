package consullab

import (
	"crypto/tls"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/starlingkv/starling/internal/lab"
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
	// An agent that refuses strangers may not have made its first token yet.
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for end := time.Now().Add(within); ; <-again.C {
		if _, _, err = admin.ACL().TokenReadSelf(nil); err == nil || time.Now().After(end) {
			break
		}
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
	ca := lab.NewAuthority(t)
	files := ca.Issue("server")
	a := Start(t, fmt.Sprintf(`tls { https { ca_file = %q cert_file = %q key_file = %q verify_incoming = true } }`, ca.File, files.Cert, files.Key))
	url := "https://" + lab.Address(a.Port(httpsPort))
	good := ca.Client("client")
	c := openAt(t, url, consulkv.TLS(good))
	put(t, c, "k", "v")
	if v, err := a.open(t).Get(soon(t), "k"); v != "v" || err != nil {
		t.Errorf("beside TLS: %v, %v", v, err)
	}
	for name, bad := range map[string]*tls.Config{
		"no certificate":      {RootCAs: ca.Pool},
		"another's authority": {RootCAs: lab.NewAuthority(t).Pool, Certificates: good.Certificates},
	} {
		refused := openAt(t, url, consulkv.TLS(bad), consulkv.Patience(200*time.Millisecond))
		if _, err := refused.Get(t.Context(), "k"); err == nil || !strings.Contains(err.Error(), url) || !strings.Contains(err.Error(), "certificate") {
			t.Errorf("Get with %s = %v, want an error about the certificate", name, err)
		}
	}
}
