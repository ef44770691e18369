package redistest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// TLSServer is a redis-server that also speaks TLS, on a second port.
type TLSServer struct {
	*Server
	port int
}

// StartTLS runs a redis-server that presents the certificate to clients that connect to
// TLSAddr, and asks them for none. The binary must have been built with TLS.
func StartTLS(t testing.TB, c Certificate, args ...string) *TLSServer {
	t.Helper()
	s := &TLSServer{Server: &Server{t: t, binary: binary(t), dir: t.TempDir()}}
	t.Cleanup(s.Kill)
	for range 5 { // as Start does
		s.Server.port, s.port = freePort(t), freePort(t)
		s.args = append([]string{
			"--tls-port", strconv.Itoa(s.port), "--tls-auth-clients", "no",
			"--tls-cert-file", c.file, "--tls-key-file", c.keyFile,
		}, args...)
		if s.run() {
			return s
		}
	}
	t.Fatalf("redistest: redis-server did not come up on any of five pairs of ports:\n%s", s.Log())
	return nil
}

// TLSAddr is the host:port where the server speaks TLS.
func (s *TLSServer) TLSAddr() string { return loopback(s.port) }

// Authority signs certificates. A client trusts it only if its configuration says so.
type Authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	dir  string
}

// Certificate is a server's certificate and key, in files that last as long as the test.
type Certificate struct{ file, keyFile string }

// NewAuthority returns an authority with a key of its own.
func NewAuthority(t testing.TB) *Authority {
	t.Helper()
	a := &Authority{dir: t.TempDir()}
	a.key = newKey(t)
	a.cert = sign(t, &x509.Certificate{
		Subject:   pkix.Name{CommonName: "redistest"},
		NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, nil, a.key, a.key)
	writePEM(t, a.File(), "CERTIFICATE", a.cert.Raw)
	return a
}

// File returns the path of the authority's own certificate, in PEM.
func (a *Authority) File() string { return filepath.Join(a.dir, "authority.pem") }

// Pool returns a pool that trusts only this authority.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// Issue signs a certificate for host, a name or an IP address, that is valid until
// the given time.
func (a *Authority) Issue(t testing.TB, host string, until time.Time) Certificate {
	t.Helper()
	wanted := &x509.Certificate{
		Subject:   pkix.Name{CommonName: host},
		NotBefore: until.Add(-12 * time.Hour), NotAfter: until,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if ip := net.ParseIP(host); ip != nil {
		wanted.IPAddresses = []net.IP{ip}
	} else {
		wanted.DNSNames = []string{host}
	}
	key := newKey(t)
	signed := sign(t, wanted, a.cert, key, a.key)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	check(t, err)
	name := filepath.Join(a.dir, signed.SerialNumber.String())
	c := Certificate{file: name + ".pem", keyFile: name + ".key"}
	writePEM(t, c.file, "CERTIFICATE", signed.Raw)
	writePEM(t, c.keyFile, "PRIVATE KEY", der)
	return c
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	return key
}

// sign signs c in the name of parent, or in its own if parent is nil.
func sign(t testing.TB, c, parent *x509.Certificate, key, signer *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	check(t, err)
	c.SerialNumber = serial
	if parent == nil {
		parent = c
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	check(t, err)
	signed, err := x509.ParseCertificate(der)
	check(t, err)
	return signed
}

func writePEM(t testing.TB, file, kind string, der []byte) {
	t.Helper()
	check(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
}
