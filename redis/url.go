package redis

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/redis/internal/pipeline"
)

// URLError reports that the address given to [FromURL] cannot be used. Neither it nor its
// cause contains the user or the password.
type URLError struct {
	URL   string // without user, password and query
	Cause error
}

func (e *URLError) Error() string {
	return fmt.Sprintf("redis: bad URL %q: %v; want redis://[user:password@]host[:port][/database], rediss://… or unix://[user:password@]/path[?db=database]",
		e.URL, e.Cause)
}

// Unwrap returns Cause.
func (e *URLError) Unwrap() error { return e.Cause }

// Tag returns "URLError".
func (e *URLError) Tag() string { return "URLError" }

// FromURL connects to the server at a redis://, rediss:// (TLS) or unix:// URL and keeps
// locks there while the scope is open: closing the scope closes the Backing and its
// connections. The URL's query may set any option that go-redis's ParseURL knows, such as
// ?pool_size=20&read_timeout=1s. By default an idle connection is closed after 3 min.
//
// The effect fails with [*URLError] if the URL is malformed. If the server does not answer
// a PING it fails with the client's error and the server's address. That error is an
// [*effect.TimeoutError] if no answer comes in time, which is 5 s by default and at most 10
// s. It is a [*SetupError] if the server refuses the client, or closes the connection, as a
// port that requires TLS does. FromURL asks once, so a wrong password is not marked as
// permanent.
//
// For Sentinel, Cluster and other options, make the client with go-redis and call [New].
func FromURL(url string, opts ...Option) func(*effect.Scope) effect.Effect[*Backing] {
	return effect.AcquireRelease(
		func(ctx context.Context) (*Backing, error) { return connect(ctx, url, opts) },
		func(b *Backing, _ effect.Exit[any]) effect.Effect[effect.Void] {
			return func(context.Context) (effect.Void, error) {
				return effect.Void{}, errors.Join(b.Close(), b.client.Close())
			}
		})
}

const (
	// pingLimit is for a server that neither answers nor refuses. The URL may set timeouts
	// with which go-redis would take longer to give up.
	pingLimit = 10 * time.Second
	// maxIdle is how long an idle connection is kept, unless the URL says otherwise. Load
	// balancers drop idle connections after four minutes or more; go-redis keeps them for
	// thirty.
	maxIdle = 3 * time.Minute
)

var errSchemes = errors.New("it must begin with redis://, rediss:// (TLS) or unix://")

func connect(ctx context.Context, url string, opts []Option) (*Backing, error) {
	o, err := parse(url)
	if err != nil {
		return nil, err
	}
	o.ContextTimeoutEnabled = true
	o.DialerRetries = 1 // the mutex retries by its own policy, and should get the error soon
	o.ConnMaxIdleTime = cmp.Or(o.ConnMaxIdleTime, maxIdle)
	b := New(goredis.NewClient(o), opts...)
	ping, cancel := context.WithTimeout(ctx, pingLimit)
	defer cancel()
	began := time.Now()
	_, err = pipeline.Call(ping, func(ctx context.Context) (string, error) { return b.client.Ping(ctx).Result() })
	if err != nil {
		_ = b.client.Close()
		if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) { // not the caller's deadline
			err = &effect.TimeoutError{Duration: time.Since(began).Round(time.Millisecond), Err: err}
		}
		advice := ""
		if dial, ok := errors.AsType[*net.OpError](err); ok && dial.Op == "dial" && ctx.Err() == nil {
			advice = "; check the address, and that the server is running"
		}
		return nil, fmt.Errorf("redis: PING %s: %w%s", o.Addr, b.classify(err), advice)
	}
	return b, nil
}

// parse reads the URL. To find out why it is bad, it is parsed again without user and
// password: the messages of both parsers quote whatever they fail on, and a password with a
// slash in it looks like a bad port.
func parse(raw string) (*goredis.Options, error) {
	scheme, rest, hasScheme := strings.Cut(raw, "://")
	o, err := goredis.ParseURL(raw)
	if hasScheme && err == nil && !isMisread(raw) {
		return o, nil
	}
	bare := rest[strings.LastIndex(rest, "@")+1:]
	switch {
	case !hasScheme: // go-redis would read redis:host as localhost
		bare = raw[strings.LastIndex(raw, "@")+1:]
		err = errSchemes
	case scheme == "redis", scheme == "rediss", scheme == "unix":
		bare = scheme + "://" + bare
		if _, err = goredis.ParseURL(bare); err == nil || isMisread(bare) {
			err = errors.New("user and password must be percent-encoded, such as p%40ss for p@ss")
		}
	default: // the scheme may be part of a password, so the error does not quote it
		err = errSchemes
	}
	if syntax, ok := errors.AsType[*url.Error](err); ok { // it quotes the URL with its query
		err = syntax.Err
	}
	if hasScheme && scheme != "unix" && strings.ContainsAny(bare, ",;") {
		err = errors.New("options are written as ?name=value&name=value")
	}
	// The rest may be options, and so a secret: other clients write
	// host:6380,password=secret.
	if end := strings.IndexAny(bare, "?#,;"); end >= 0 {
		bare = bare[:end]
	}
	return nil, &URLError{URL: bare, Cause: err}
}

// isMisread reports whether a URL that can be parsed most likely means something else: it
// ends too early, at the slash or the hash mark of a password, or its host name contains
// options. Used as it is, it would connect to the wrong server and show a secret in the
// server's name.
func isMisread(raw string) bool {
	u, err := url.Parse(raw)
	return err == nil && (u.Fragment != "" || strings.Contains(u.Path, "@") || strings.ContainsAny(u.Host, ",;"))
}
