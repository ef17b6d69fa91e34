package stores

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
)

// tls returns how to speak TLS, nil if the query does not ask for it: tls=true, or a ca= to trust, or the cert= and key=
// of the client, or the server-name= that the certificates are for.
func (a *address) tls() (*tls.Config, error) {
	wanted, err := a.yes("tls")
	if err != nil {
		return nil, err
	}
	ca, cert, key, name := a.text("ca"), a.text("cert"), a.text("key"), a.text("server-name")
	if !wanted && ca == "" && cert == "" && key == "" && name == "" {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: name}
	if ca != "" {
		if c.RootCAs, err = pool(ca); err != nil {
			return nil, fmt.Errorf("ca=%s: %w", ca, err)
		}
	}
	if cert != "" || key != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return nil, fmt.Errorf("cert=%s and key=%s: %w", cert, key, err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// pool reads the certificates of a file.
func pool(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	p := x509.NewCertPool()
	if !p.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("there is no certificate in it")
	}
	return p, nil
}
