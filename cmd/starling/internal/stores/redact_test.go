package stores

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

func TestRedact(t *testing.T) {
	for text, want := range map[string]string{
		"etcd://u:s3cret@h:2379/app/":                "etcd://u:xxxxx@h:2379/app/",
		"leader/=etcd://u:s3cret@a:1,b:2":            "leader/=etcd://u:xxxxx@a:1,b:2",
		"nats://u:s3@cret@h:1?bucket=b":              "nats://u:xxxxx@h:1?bucket=b",
		"nats://h:1?bucket=b&token=s3cret&x=y":       "nats://h:1?bucket=b&token=xxxxx&x=y",
		"nats://h:1?TOKEN=s3cret":                    "nats://h:1?TOKEN=xxxxx",
		"consul://:s3cret@h:1/":                      "consul://xxxxx@h:1/",
		"CONSUL://s3cret@h:1/":                       "CONSUL://xxxxx@h:1/",
		`store "etcd://u:s3cr\"et@h" and etcd://h:1`: `store "etcd://u:xxxxx@h" and etcd://h:1`,
		"a/=etcd://u:s3cret@h b/=nats://v:s3cret@h":  "a/=etcd://u:xxxxx@h b/=nats://v:xxxxx@h",
		"etcd://u:s3cret@h/?token-file=f":            "etcd://u:xxxxx@h/?token-file=f",
		// What has no secret stays as it is.
		"etcd://h:2379: user a@b has no right": "etcd://h:2379: user a@b has no right",
		"http://h:7070/a@b:c":                  "http://h:7070/a@b:c",
		"etcd://user@h:1/":                     "etcd://user@h:1/",
		"":                                     "",
	} {
		if got := Redact(text); got != want {
			t.Errorf("Redact(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestRedactedLog(t *testing.T) {
	var out bytes.Buffer
	slog.New(slog.NewTextHandler(Redacted(&out), nil)).Info("store away", "store", `etcd://u:s3cret@h:1/ x=y`)
	if text := out.String(); strings.Contains(text, "s3cret") || !strings.Contains(text, "u:xxxxx@h:1") {
		t.Errorf("the log says %s", text)
	}
}

// FuzzRedact: what is parsed as a password is not to be seen in what is shown.
func FuzzRedact(f *testing.F) {
	for _, url := range []string{"etcd://u:s3cret-s3cret-s3cret@h:1/p", "consul://:s3cret-s3cret-s3cret@h:1", "nats://u:p@q@r:s@h?x=y"} {
		f.Add(url)
	}
	f.Fuzz(func(t *testing.T, url string) {
		a, err := parse(url)
		if err != nil || a.password == "" {
			return
		}
		rest := url[strings.Index(url, "://")+3:]
		rest, _, _ = strings.Cut(rest, "?")
		rest, _, _ = strings.Cut(rest, "/")
		_, secret, _ := strings.Cut(rest[:strings.LastIndexByte(rest, '@')], ":")
		if len(secret) > 5 && strings.Contains(Redact(url), ":"+secret+"@") {
			t.Errorf("%q is shown as %q", url, Redact(url))
		}
	})
}
