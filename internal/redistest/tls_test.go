package redistest_test

import (
	"crypto/tls"
	"crypto/x509"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/redistest"
)

func TestTLSServerIsTrustedByClientsThatTrustItsAuthority(t *testing.T) {
	t.Parallel()
	ours, others := redistest.NewAuthority(t), redistest.NewAuthority(t)
	s := redistest.StartTLS(t, ours.Issue(t, "127.0.0.1", time.Now().Add(time.Hour)))
	ping := func(pool *x509.CertPool) error {
		c := redis.NewClient(&redis.Options{
			Addr: s.TLSAddr(), TLSConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, MaxRetries: -1, DialerRetries: 1,
		})
		defer c.Close()
		return c.Ping(t.Context()).Err()
	}
	require.NoError(t, ping(ours.Pool()))
	var untrusted x509.UnknownAuthorityError
	assert.ErrorAs(t, ping(others.Pool()), &untrusted)
	require.NoError(t, s.Client(t).Ping(t.Context()).Err(), "beside it")
}

func TestTLSServerComesUpAgainOnItsPorts(t *testing.T) {
	t.Parallel()
	ours := redistest.NewAuthority(t)
	s := redistest.StartTLS(t, ours.Issue(t, "host.example", time.Now().Add(-time.Hour)), "--requirepass", "secret")
	s.Restart()
	for _, skip := range []bool{true, false} {
		c := redis.NewClient(&redis.Options{
			Addr: s.TLSAddr(), Password: "secret", MaxRetries: -1, DialerRetries: 1,
			TLSConfig: &tls.Config{RootCAs: ours.Pool(), ServerName: "host.example", MinVersion: tls.VersionTLS12, InsecureSkipVerify: skip},
		})
		err := c.Ping(t.Context()).Err()
		require.NoError(t, c.Close())
		if skip {
			assert.NoError(t, err)
			continue
		}
		var invalid x509.CertificateInvalidError
		require.ErrorAs(t, err, &invalid)
		assert.Equal(t, x509.Expired, invalid.Reason)
	}
}
