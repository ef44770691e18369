package redis_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/internal/redistest"
	"github.com/effectlock/effectlock/redis"
)

// during runs use on the backing at url, in a scope of its own.
func during(ctx context.Context, url string, use func(*redis.Backing), opts ...redis.Option) error {
	_, err := effect.Scoped(func(s *effect.Scope) effect.Effect[effect.Void] {
		return func(ctx context.Context) (effect.Void, error) {
			b, err := redis.FromURL(url, opts...)(s)(ctx)
			if err == nil {
				use(b)
			}
			return effect.Void{}, err
		}
	})(ctx)
	return err
}

func TestFromURLLocksAndClosesItsConnectionsWithTheScope(t *testing.T) {
	t.Parallel()
	_, admin := start(t, "--requirepass", "")
	connections := func() int {
		return strings.Count(admin.ClientList(t.Context()).Val(), "name=from-url")
	}
	url := "redis://" + admin.Options().Addr + "?client_name=from-url"
	var kept *redis.Backing
	require.NoError(t, during(t.Context(), url, func(b *redis.Backing) {
		acquire(t, b, "k", "h")
		assert.Positive(t, connections())
		kept = b
	}, redis.KeyPrefix("app:")))
	assert.Equal(t, "h", admin.Get(t.Context(), "app:k").Val())
	require.Eventually(t, func() bool { return connections() == 0 }, 5*time.Second, time.Millisecond)
	_, err := kept.IsLocked(t.Context(), "k")
	require.Error(t, err)
	assert.True(t, backing.IsPermanent(err))
}

func TestFromURLTakesPasswordDatabaseAndUnixSocket(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "") //nolint:usetesting // t.TempDir's name is too long for a socket's
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	s := redistest.Start(t, "--requirepass", "p@ss/word", "--unixsocket", socket)
	for _, url := range []string{
		"redis://:p%40ss%2Fword@" + s.Addr() + "/3",
		"unix://:p%40ss%2Fword@" + socket + "?db=3",
	} {
		require.NoError(t, during(t.Context(), url, func(b *redis.Backing) {
			acquire(t, b, "k", "same holder")
		}), url)
	}
}

func TestBadURLIsATypedErrorWithoutThePassword(t *testing.T) {
	t.Parallel()
	for url, says := range map[string]string{
		"":                                   `redis: bad URL "": it must begin with redis://, rediss:// (TLS) or unix://; want redis://`,
		"localhost:6379":                     `redis: bad URL "localhost:6379": it must begin with redis://, rediss:// (TLS) or unix://; want redis://`,
		"http://u:secret@localhost":          `redis: bad URL "localhost": it must begin with redis://, rediss:// (TLS) or unix://; want redis://`,
		"u:secret://@localhost":              `redis: bad URL "localhost": it must begin with redis://, rediss:// (TLS) or unix://; want redis://`,
		"redis://u:#secret@localhost":        `redis: bad URL "redis://localhost": user and password must be percent-encoded, such as p%40ss for p@ss; want redis://`,
		"unix://u:12/secret@/socket":         `redis: bad URL "unix:///socket": user and password must be percent-encoded, such as p%40ss for p@ss; want redis://`,
		"redis://u:secret@localhost:port":    `redis: bad URL "redis://localhost:port": invalid port ":port" after host; want redis://`,
		"redis://u:secret@localhost/db":      `redis: bad URL "redis://localhost/db": redis: invalid database number: "db"; want redis://`,
		"redis://u:secret@localhost?tls=yes": `redis: bad URL "redis://localhost": redis: unexpected option: tls; want redis://`,
		"redis://u:secret/of@localhost":      `redis: bad URL "redis://localhost": user and password must be percent-encoded, such as p%40ss for p@ss; want redis://`,
		"redis://:12/secret@localhost:6379":  `redis: bad URL "redis://localhost:6379": user and password must be percent-encoded, such as p%40ss for p@ss; want redis://`,
		"redis://u:se@secret@local host":     `redis: bad URL "redis://local host": invalid character " " in host name; want redis://`,
		"redis:u:secret@localhost":           `redis: bad URL "localhost": it must begin with redis://, rediss:// (TLS) or unix://; want redis://`,
		"redis//u:x@localhost?p=secret":      `redis: bad URL "localhost": it must begin with redis://, rediss:// (TLS) or unix://; want redis://`,
		"localhost:6380,password=secret":     `redis: bad URL "localhost:6380": it must begin with redis://, rediss:// (TLS) or unix://; want redis://`,
		"redis://host:6380,password=secret":  `redis: bad URL "redis://host:6380": options are written as ?name=value&name=value; want redis://`,
		"redis://host,password=secret;ssl":   `redis: bad URL "redis://host": options are written as ?name=value&name=value; want redis://`,
		"unix://u:secret@":                   `redis: bad URL "unix://": redis: empty unix socket path; want redis://`,
	} {
		err := during(t.Context(), url, func(*redis.Backing) { assert.Fail(t, "connected", url) })
		var bad *redis.URLError
		require.ErrorAs(t, err, &bad, url)
		assert.Equal(t, "URLError", bad.Tag())
		assert.ErrorIs(t, err, bad.Cause)
		assert.Contains(t, err.Error(), says)
		assert.NotContains(t, err.Error(), "secret")
	}
}

// It accepts connections and never answers, and the URL allows it all the time in the
// world.
func TestServerThatIsDownIsAnErrorThatSaysWhatToCheck(t *testing.T) {
	t.Parallel()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, closed.Close())
	err = during(t.Context(), "redis://"+closed.Addr().String(), func(*redis.Backing) { assert.Fail(t, "connected") })
	assert.ErrorContains(t, err, "; check the address, and that the server is running")
}

func TestServerThatIsSilentIsGivenUpAndNoLaterThanTheContextEnds(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer silent.Close()
	connect := func(ctx context.Context) error {
		return during(ctx, "redis://"+silent.Addr().String()+"?dial_timeout=1h&read_timeout=1h", func(*redis.Backing) { assert.Fail(t, "connected") })
	}
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	assert.ErrorIs(t, connect(ctx), context.DeadlineExceeded)
	assert.Less(t, time.Since(began), 2*time.Second)

	began = time.Now()
	err = connect(t.Context())
	assert.ErrorContains(t, err, "redis: PING "+silent.Addr().String()+": timed out after 10")
	var timeout *effect.TimeoutError
	require.ErrorAs(t, err, &timeout)
	assert.NotErrorIs(t, err, context.DeadlineExceeded, "the caller has set none")
	assert.Less(t, time.Since(began), 30*time.Second)
}

const loopback = "127.0.0.1"

func soon() time.Time { return time.Now().Add(time.Hour) }

// secured returns a client that trusts only the pool, and reports a failure as soon as it
// occurs.
func secured(t *testing.T, addr string, pool *x509.CertPool) *goredis.Client {
	t.Helper()
	c := dial(t, goredis.Options{
		Addr: addr, TLSConfig: &tls.Config{RootCAs: pool, ServerName: loopback, MinVersion: tls.VersionTLS12},
		DialTimeout: time.Second, DialerRetries: 1, MaxRetries: -1,
	})
	return c
}

// handsOverSoon releases a lock that another process waits for, which is woken and granted
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
		handsOverSoon(t, b, redis.New(s.Client(t))) // a waiter without TLS is in the same queue
		handsOverSoon(t, redis.New(s.Client(t)), b)
	}))
	assertAllExpire(t, s.Client(t))
}

const securedURL = "EFFECTLOCK_TEST_REDISS_URL"

// A rediss:// URL trusts the system's certificates. They are read once in the life of a
// process, so the test runs itself in another, whose system trusts ours.
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

func TestServerThatIsNotTrustedIsAnErrorInEveryOperation(t *testing.T) {
	t.Parallel()
	ours, others := redistest.NewAuthority(t), redistest.NewAuthority(t)
	good := redistest.StartTLS(t, ours.Issue(t, loopback, soon()))
	late := redistest.StartTLS(t, ours.Issue(t, loopback, time.Now().Add(-time.Hour)))
	elsewhere := redistest.StartTLS(t, ours.Issue(t, "elsewhere.example", soon()))
	for name, c := range map[string]struct {
		client *goredis.Client
		is     func(error) bool
	}{
		"an authority that is not trusted": {secured(t, good.TLSAddr(), others.Pool()), errorsAs[x509.UnknownAuthorityError]},
		"a certificate that has ended":     {secured(t, late.TLSAddr(), ours.Pool()), errorsAs[x509.CertificateInvalidError]},
		"the certificate of another host":  {secured(t, elsewhere.TLSAddr(), ours.Pool()), errorsAs[x509.HostnameError]},
		"TLS to a port without":            {secured(t, good.Addr(), ours.Pool()), func(error) bool { return true }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for name, operation := range operations(redis.New(c.client), "k") {
				err := operation(t.Context())
				require.Error(t, err, name)
				assert.True(t, c.is(err), "%s: %v", name, err)
				assert.False(t, backing.IsPermanent(err), "a certificate can be renewed: %v", err)
			}
		})
	}
}

func TestURLOfAServerThatIsNotTrustedNamesTheServer(t *testing.T) {
	t.Parallel()
	s := redistest.StartTLS(t, redistest.NewAuthority(t).Issue(t, loopback, soon()))
	for url, addr := range map[string]string{
		"rediss://u:pass-secret@" + s.Addr():    s.Addr(), // a port without TLS
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
