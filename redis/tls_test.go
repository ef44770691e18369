package redis_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"os"
	"os/exec"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/internal/redistest"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
	"github.com/effectlock/effectlock/schedule"
)

const loopback = "127.0.0.1"

func soon() time.Time { return time.Now().Add(time.Hour) }

// secured is a client that trusts the pool alone, and says what went wrong as soon
// as it does.
func secured(t *testing.T, addr string, pool *x509.CertPool) *goredis.Client {
	t.Helper()
	c := goredis.NewClient(&goredis.Options{
		Addr: addr, TLSConfig: &tls.Config{RootCAs: pool, ServerName: loopback, MinVersion: tls.VersionTLS12},
		DialTimeout: time.Second, DialerRetries: 1, MaxRetries: -1,
	})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// handsOverSoon releases a lock for which another process waits: it is woken, and granted
// the lock.
func handsOverSoon(t *testing.T, one, other *redis.Backing) {
	t.Helper()
	acquire(t, one, "k", "a")
	w := waiter("k", "b")
	queues(t, other, w)
	assertReleases(t, true, one, "k", "a")
	w.isGranted(t, other)
	assertHolder(t, one, "k", "b")
	assertRefreshes(t, true, other, "k", "b")
	assertReleases(t, true, other, "k", "b")
}

func TestLocksAreTakenAndHandedOverThroughTLS(t *testing.T) {
	t.Parallel()
	ours := redistest.NewAuthority(t)
	s := redistest.StartTLS(t, ours.Issue(t, loopback, soon()))
	handsOverSoon(t, redis.New(secured(t, s.TLSAddr(), ours.Pool())), redis.New(secured(t, s.TLSAddr(), ours.Pool())))
	require.NoError(t, during(t.Context(), "rediss://"+s.TLSAddr()+"?skip_verify=true", func(b *redis.Backing) {
		handsOverSoon(t, b, redis.New(s.Client(t))) // who comes without TLS is in the same queue
		handsOverSoon(t, redis.New(s.Client(t)), b)
	}))
	assertAllExpire(t, s.Client(t))
}

const securedURL = "EFFECTLOCK_TEST_REDISS_URL"

// A rediss:// URL trusts whom the system trusts. That is read once in the life of a
// process, so the test runs itself in another, for which the system trusts ours.
func TestURLWithTLSTrustsTheSystemsAuthorities(t *testing.T) {
	t.Parallel()
	if url := os.Getenv(securedURL); url != "" {
		require.NoError(t, during(t.Context(), url, func(b *redis.Backing) { handsOverSoon(t, b, b) }))
		return
	}
	ours := redistest.NewAuthority(t)
	s := redistest.StartTLS(t, ours.Issue(t, loopback, soon()))
	url := "rediss://" + s.TLSAddr()
	again := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	again.Env = append(os.Environ(), securedURL+"="+url, "SSL_CERT_FILE="+ours.File(), "GOCOVERDIR="+t.TempDir())
	said, err := again.CombinedOutput()
	require.NoError(t, err, "%s", said)
	assert.Contains(t, string(said), "--- PASS: "+t.Name())
	assert.Positive(t, ran(t, s.Client(t), "subscribe"), "it was there")

	err = during(t.Context(), url, func(*redis.Backing) { assert.Fail(t, "trusts a stranger") })
	var untrusted x509.UnknownAuthorityError
	assert.ErrorAs(t, err, &untrusted)
	assert.ErrorContains(t, err, "redis: PING "+s.TLSAddr())
}

// untrusted are servers with which no connection comes about, and what the client
// says of each.
func untrusted(t *testing.T) map[string]struct {
	client *goredis.Client
	is     func(error) bool
} {
	t.Helper()
	ours, others := redistest.NewAuthority(t), redistest.NewAuthority(t)
	good := redistest.StartTLS(t, ours.Issue(t, loopback, soon()))
	late := redistest.StartTLS(t, ours.Issue(t, loopback, time.Now().Add(-time.Hour)))
	elsewhere := redistest.StartTLS(t, ours.Issue(t, "elsewhere.example", soon()))
	plain := goredis.NewClient(&goredis.Options{Addr: good.TLSAddr(), ReadTimeout: time.Second, DialerRetries: 1, MaxRetries: -1})
	t.Cleanup(func() { _ = plain.Close() })
	anything := func(error) bool { return true }
	return map[string]struct {
		client *goredis.Client
		is     func(error) bool
	}{
		"an authority that is not trusted": {secured(t, good.TLSAddr(), others.Pool()), is[x509.UnknownAuthorityError]},
		"a certificate that has ended":     {secured(t, late.TLSAddr(), ours.Pool()), is[x509.CertificateInvalidError]},
		"the certificate of another host":  {secured(t, elsewhere.TLSAddr(), ours.Pool()), is[x509.HostnameError]},
		"TLS to a port without":            {secured(t, good.Addr(), ours.Pool()), anything},
		"no TLS to a port with":            {plain, anything},
	}
}

func is[E error](err error) bool { return errorsAs[E](err) }

func TestServerThatIsNotTrustedIsAFailureOfTheStore(t *testing.T) {
	t.Parallel()
	for name, c := range untrusted(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, err := mutex.New(redis.New(c.client), "k", mutex.Config{BackingFailureRetryPolicy: schedule.Once()})
			require.NoError(t, err)
			began := time.Now()
			for operation, do := range map[string]effect.Effect[any]{
				"tryAcquire": erased(mutex.WithLock(m, effect.Succeed(1))),
				"isLocked":   erased(m.IsLocked),
				"getHolder":  erased(m.Holder),
			} {
				_, err := do(t.Context())
				var failed *mutex.MutexBackingError
				require.ErrorAs(t, err, &failed, operation)
				assert.Equal(t, operation, failed.Operation)
				assert.True(t, c.is(err), "%v", err)
				assert.False(t, backing.IsPermanent(err), "a certificate can be renewed: %v", err)
			}
			assert.Less(t, time.Since(began), 40*time.Second)
		})
	}
}

func TestURLOfAServerThatIsNotTrustedNamesTheServer(t *testing.T) {
	t.Parallel()
	s := redistest.StartTLS(t, redistest.NewAuthority(t).Issue(t, loopback, soon()))
	for url, addr := range map[string]string{
		"rediss://u:pass-secret@" + s.Addr():    s.Addr(), // which is without
		"redis://u:pass-secret@" + s.TLSAddr():  s.TLSAddr(),
		"rediss://u:pass-secret@" + s.TLSAddr(): s.TLSAddr(),
	} {
		t.Run(url[:6], func(t *testing.T) {
			began := time.Now()
			err := during(t.Context(), url, func(*redis.Backing) { assert.Fail(t, "connected") })
			assert.ErrorContains(t, err, "redis: PING "+addr)
			assert.NotContains(t, err.Error(), "secret")
			assert.NotErrorIs(t, err, context.DeadlineExceeded, "the caller has set none")
			assert.Less(t, time.Since(began), 20*time.Second) // 5 s by itself
		})
	}
}

func erased[A any](e effect.Effect[A]) effect.Effect[any] {
	return effect.Map(func(a A) any { return a })(e)
}
