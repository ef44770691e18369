package redis

import (
	"crypto/tls"
	_ "embed"
	"errors"
	"io"
	"net"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/effectlock/effectlock/backing"
)

// SetupError reports that the set-up of the client, the server or the user rules out a
// lock, and says what to do about it. It is marked by [backing.Permanent] if retrying does
// not help, as with a server that is too old or a plain client of a Cluster. It is not
// marked if the fault may pass, as with a replica that may become the primary, or
// credentials that have been refused for no more than a second.
//
// A claim that fails with it must still be released: an earlier request may have been
// applied, and a server that is too old may apply the first half of one.
type SetupError struct {
	Advice string // what to do, or what to check
	Err    error  // the client's error
}

func (e *SetupError) Error() string { return strings.TrimRight(e.Err.Error(), "., ") + ": " + e.Advice }

// Unwrap returns Err.
func (e *SetupError) Unwrap() error { return e.Err }

// Tag returns "SetupError".
func (*SetupError) Tag() string { return "SetupError" }

// setups has three parts for each kind of error: the verdict, how it begins, and the
// advice.
var setups = regexp.MustCompile(`(?m)^(passing|permanent|refused) +(.*)\n +(.*)$`).FindAllStringSubmatch(setupsText, -1)

//go:embed setups.txt
var setupsText string

const passing, permanent, refused = "passing", "permanent", "refused" // the verdicts of setups.txt

const (
	aclRules        = "&push:* +eval +evalsha +get +set +del +exists +pttl +pexpire +time +zadd +zrem +zscore +zincrby +zrangebyscore +zremrangebyscore +publish +subscribe"
	aclClusterRules = " +cluster|slots +spublish +ssubscribe"
)

// classify records what an answer shows about the client's settings, and adds advice to
// errors that the settings cause. It marks errors that retrying cannot cure. All others,
// such as a refused connection, may pass within the lease; the mutex's policy decides how
// long to retry.
func (b *Backing) classify(err error) error {
	if err == nil {
		b.contact.note(false)
		return nil
	}
	if _, done := errors.AsType[*SetupError](err); done || backing.IsPermanent(err) {
		return err
	}
	if errors.Is(err, goredis.ErrClosed) {
		return backing.Permanent(err)
	}
	verdict := passing
	var advice string
	switch answer, ok := errors.AsType[goredis.Error](err); {
	case !ok:
		advice = b.adviceOnSilence(err)
	case errors.Is(err, goredis.Nil) && !isNil(err):
		advice = "the Sentinels know no group of this name: check MasterName in the client's options"
	default:
		verdict, advice = b.verdictOn(answer.Error())
		if b.contact.note(verdict == refused) {
			verdict = permanent
		}
	}
	if advice != "" {
		err = &SetupError{advice, err}
	}
	if verdict == permanent {
		err = backing.Permanent(err)
	}
	return err
}

// scriptFailure finds the error of a command inside a script: Redis before 7.0 reports
// where it occurred, with or without "ERR Error running script (call to f_…): " and a minus
// sign.
var scriptFailure = regexp.MustCompile(`^(?:ERR Error running script .*)?@user_script: ?\d+: -?(.*)`)

// verdictOn returns the verdict on a server's error, and the advice, "" if it needs none.
func (b *Backing) verdictOn(text string) (verdict, advice string) {
	if inner := scriptFailure.FindStringSubmatch(text); inner != nil {
		text = inner[1]
	}
	text = strings.ReplaceAll(strings.TrimPrefix(text, "ERR "), "`", "'")
	begins := func(with string) bool { return len(text) >= len(with) && strings.EqualFold(text[:len(with)], with) }
	rules := "~" + b.prefix + "* " + aclRules
	_, cluster := b.client.(*goredis.ClusterClient)
	if cluster {
		rules += aclClusterRules
	}
	switch redirected := begins("MOVED ") || begins("ASK "); {
	case redirected && b.oneServer: // the client never follows a redirection
		return permanent, "the server is a node of a Cluster: use goredis.NewClusterClient"
	case redirected && cluster: // the client has given up for now, because slots are moving
		return passing, ""
	case redirected:
		return passing, "the client did not follow this redirection: if it is not for a Cluster, use goredis.NewClusterClient"
	}
	for _, setup := range setups {
		for begin := range strings.SplitSeq(setup[2], "|") {
			if begins(begin) {
				return setup[1], strings.Replace(setup[3], "{rules}", rules, 1)
			}
		}
	}
	return passing, ""
}

// isNil reports whether err is the answer that a key does not exist. A Sentinel that knows
// no group of the given name answers the same, but go-redis joins it with the answers of
// the other Sentinels.
func isNil(err error) bool {
	for err != nil && err != goredis.Nil { //nolint:errorlint // errors.Is looks into joined errors
		err = errors.Unwrap(err)
	}
	return err != nil
}

// adviceOnSilence returns the advice on a failure without an answer of a Redis server.
func (b *Backing) adviceOnSilence(err error) string {
	_, noTLS := errors.AsType[tls.RecordHeaderError](err)
	timeout, waited := errors.AsType[net.Error](err)
	switch client, _ := b.client.(*goredis.Client); {
	case noTLS:
		return "the port does not use TLS: remove TLSConfig from the client's options, or write redis:// instead of rediss://"
	case strings.Contains(err.Error(), "redis: can't parse"), strings.Contains(err.Error(), "redis: invalid reply"):
		return "this reply is not from a Redis server: check the address"
	case b.contact.answered.Load(): // connections break, and servers are slow
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "the server closes the connection: check whether its port requires TLS, whether it is in protected mode, whether it has reached maxclients, and whether it is a proxy that does not support HELLO"
	case client != nil && client.Options().TLSConfig != nil && waited && timeout.Timeout():
		return "check whether the port uses TLS"
	}
	return ""
}

const (
	// lateCredentials is how long credentials may be refused before that counts as
	// permanent: a password may be changed on the server a moment before the client has it.
	lateCredentials = time.Second
	// forgetRefusals is how long after a refusal the next one begins a new streak.
	forgetRefusals = 10 * time.Second
)

// contact is what the servers' answers so far show about the client's settings.
type contact struct {
	answered atomic.Bool // whether a server has answered at all

	mu      sync.Mutex
	refused time.Time // the start of the current streak of refused credentials; zero if none
	last    time.Time // the last refusal of that streak
}

// note records an answer of a server, and reports whether the client's credentials have
// been refused for longer than lateCredentials.
func (c *contact) note(refused bool) (stays bool) {
	c.answered.Store(true)
	c.mu.Lock()
	defer c.mu.Unlock()
	if !refused {
		c.refused = time.Time{}
		return false
	}
	now := time.Now()
	if c.refused.IsZero() || now.Sub(c.last) > forgetRefusals {
		c.refused = now
	}
	c.last = now
	return now.Sub(c.refused) > lateCredentials
}
