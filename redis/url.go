package redis

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/redis/internal/pipeline"
)

// URLError tells that the address given to [FromURL] cannot be used. Neither it
// nor its cause contains the user or the password.
type URLError struct {
	URL   string // without user, password and query
	Cause error
}

func (e *URLError) Error() string {
	return fmt.Sprintf("redis: bad URL %q: %v; want redis://[user:password@]host[:port][/database], rediss://… or unix://[user:password@]/path[?db=database]",
		e.URL, e.Cause)
}

func (e *URLError) Unwrap() error { return e.Cause }

// Tag is the type's name.
func (e *URLError) Tag() string { return "URLError" }

// FromURL connects to the server at a redis://, rediss:// (TLS) or unix:// URL
// and keeps locks there for as long as the scope is open: the Backing and its connections
// are closed with the scope. The URL's query may set what redis.ParseURL of go-redis
// knows, such as ?pool_size=20&read_timeout=1s; by default there are at most ten
// connections per CPU, and a command that has its context's deadline before it
// does not outlast that.
//
// The effect fails with [*URLError] if the URL is malformed, and with the
// client's error and the server's address if the server does not answer a PING:
// an [*effect.TimeoutError] if no answer comes for as long as the client waits, 5 s by
// default and 10 s at most. A [*SetupError] says what to do if the server refuses the
// client, or closes the connection, as a port that wants TLS does. FromURL asks once, so
// a wrong password is not marked as permanent.
//
// An idle connection is closed after 3 min, unless the URL has a conn_max_idle_time. A
// client of your own should do likewise behind a load balancer.
//
// Sentinel, Cluster and other options: make the client with go-redis, and [New].
func FromURL(url string, opts ...Option) func(*effect.Scope) effect.Effect[*Backing] {
	return effect.AcquireRelease(
		func(ctx context.Context) (*Backing, error) { return connect(ctx, url, opts) },
		func(b *Backing, _ effect.Exit[any]) effect.Effect[effect.Void] {
			return func(context.Context) (effect.Void, error) {
				return effect.Void{}, errors.Join(b.Close(), b.client.Close())
			}
		})
}

// patience is for a server that neither answers nor refuses. The URL may set
// timeouts with which go-redis would need longer to give up.
const patience = 10 * time.Second

// maxIdle is how long an idle connection is kept, unless the URL says otherwise. Load
// balancers drop idle connections after four minutes or more; go-redis keeps them for thirty.
const maxIdle = 3 * time.Minute

func connect(ctx context.Context, url string, opts []Option) (*Backing, error) {
	o, err := parse(url)
	if err != nil {
		return nil, err
	}
	o.ContextTimeoutEnabled = true
	// go-redis dials five times for each of its attempts at a command. The
	// mutex's own policy tries again as well, and should get the error soon.
	o.DialerRetries = 1
	if o.ConnMaxIdleTime == 0 {
		o.ConnMaxIdleTime = maxIdle
	}
	client := goredis.NewClient(o)
	b := New(client, opts...)
	ping, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	began := time.Now()
	_, err = pipeline.Call(ping, func(ctx context.Context) (string, error) { return client.Ping(ctx).Result() })
	if err != nil {
		_ = client.Close()
		if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) { // the caller has set none
			err = &effect.TimeoutError{Duration: time.Since(began).Round(time.Millisecond), Err: err}
		}
		return nil, fmt.Errorf("redis: PING %s: %w", o.Addr, b.classify(err))
	}
	return b, nil
}

// parse reads the URL. The reason why it is bad is found by reading it again
// without user and password, for the messages of both parsers quote whatever
// they stumble over, and a password with a slash in it looks like a bad port.
func parse(raw string) (*goredis.Options, error) {
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok { // go-redis would read redis:host as localhost
		return nil, &URLError{URL: shown(raw[strings.LastIndex(raw, "@")+1:]), Cause: errors.New("no :// after a scheme")}
	}
	o, err := goredis.ParseURL(raw)
	if err == nil && !isMisread(raw) {
		return o, nil
	}
	bare := rest[strings.LastIndex(rest, "@")+1:]
	switch scheme {
	case "redis", "rediss", "unix":
		bare = scheme + "://" + bare
		_, err = goredis.ParseURL(bare)
	default: // what stands there may be a part of a password
		err = errors.New("the scheme is none of redis, rediss and unix")
	}
	if err == nil || isMisread(bare) {
		err = errors.New("user and password must be percent-encoded")
	}
	if syntax, ok := errors.AsType[*url.Error](err); ok { // it quotes the URL with its query
		err = syntax.Err
	}
	if scheme != "unix" && strings.ContainsAny(bare, ",;") {
		err = errors.New("options are written as ?name=value&name=value")
	}
	return nil, &URLError{URL: shown(bare), Cause: err}
}

// shown is what of an address can be no option, and so no secret. Other clients write
// options behind commas: host:6380,password=secret.
func shown(bare string) string {
	if end := strings.IndexAny(bare, "?#,;"); end >= 0 {
		return bare[:end]
	}
	return bare
}

// isMisread reports whether a URL that can be parsed most likely means something else:
// it ends too early, at the slash or the hash mark of a password, or has options in the
// name of the host. That would connect to the wrong server, and show a secret in its name.
func isMisread(raw string) bool {
	u, err := url.Parse(raw)
	return err == nil && (u.Fragment != "" || strings.Contains(u.Path, "@") || strings.ContainsAny(u.Host, ",;"))
}
