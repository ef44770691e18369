package redis

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"regexp"
	"strings"
	"syscall"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/effectlock/effectlock/backing"
)

// SetupError reports that no lock can be had because of how the client, the server or the
// user is set up, and says what to do about it. It is marked by [backing.Permanent] if
// trying again does not help, as with a server that is too old, or a plain client of a
// Cluster. It is not marked if the fault may pass, as at a replica that may become the
// primary, or with credentials that have been refused for no more than a second.
//
// A claim that fails with it must be released all the same: an earlier request may have
// been applied, and a server that is too old may apply the first half of one.
type SetupError struct {
	Advice string // what to do, or to look at
	Err    error  // the client's error
}

func (e *SetupError) Error() string { return strings.TrimRight(e.Err.Error(), "., ") + ": " + e.Advice }

func (e *SetupError) Unwrap() error { return e.Err }

// Tag returns "SetupError".
func (*SetupError) Tag() string { return "SetupError" }

// verdict says whether trying again helps against a failure.
type verdict int

const (
	passing   verdict = iota // trying again may help
	permanent                // trying again does not help
	refused                  // it may help for a moment: the client may get its new password late
)

// The advice that several answers have in common.
const (
	setCredentials   = "the server asks for a password: set it, and the user name if there is one, in the client's options"
	checkCredentials = "check the user name and the password of the client" //nolint:gosec // there is none in it
	needsNewer       = "locks need Redis 6.2 or later"
	needsScripts     = needsNewer + ", with its scripts and their commands; a Sentinel has none: use redis.NewFailoverClient"
	needsPrimary     = "the address is a replica's: if no failover is under way, connect to the primary, or use redis.NewFailoverClient"
	useCluster       = "the server is a node of a Cluster: use redis.NewClusterClient"
	unlessCluster    = "the client did not follow this redirection: unless it is one for a Cluster, use redis.NewClusterClient"
	needsRules       = "the user needs the rules " // which depend on the prefix
)

// setups lists the answers of servers by their beginnings, without "ERR ". An answer that
// is not listed needs no advice and may pass: a server that loads, is full, or is busy.
var setups = []struct {
	begins  string
	verdict verdict
	advice  string
}{
	{"NOAUTH ", refused, setCredentials},
	{"Protocol error: unauthenticated", refused, setCredentials}, // the same to a command of more than ten words
	{"WRONGPASS ", refused, checkCredentials},
	{"invalid password", refused, checkCredentials}, // before Redis 6
	{"NOPERM ", permanent, needsRules},
	{"The user executing the script", permanent, needsRules}, // the same inside a script
	{"ACL failure in script", permanent, needsRules},         // the same since Redis 7.2

	{"syntax error", permanent, "the server does not know SET with GET: " + needsNewer},
	{"Write commands not allowed after non deterministic", permanent, "the server does not let a script write after it has read the time: " + needsNewer},
	{"Error compiling script", permanent, "the server does not run the scripts: " + needsNewer},
	{"Script attempted to access nonexistent global", permanent, "the server does not run the scripts: " + needsNewer},
	{"unknown command 'sentinel'", passing, "there is no Sentinel at this address: check SentinelAddrs of the client"},
	{"unknown command 'ssubscribe'", permanent, "waiters poll: a Cluster needs Redis 7.0 or later to wake them"},
	{"unknown command 'subscribe'", permanent, "waiters poll: the server has no pub/sub"},
	{"unknown command", permanent, needsScripts},
	{"unknown subcommand", permanent, needsScripts},
	{"Unknown Redis command called from", permanent, needsScripts}, // inside a script
	{"This Redis command is not allowed from script", permanent, needsScripts},
	{"This instance has Lua scripting support disabled", permanent, "start Garnet with --lua"},

	{"WRONGTYPE ", permanent, "another program keeps something else in a key of this lock: choose another key, or another KeyPrefix"},
	{"DB index is out of range", permanent, "the server has no such database: check DB in the client's options"},
	{"SELECT is not allowed in cluster mode", permanent, "a Cluster has only database 0: leave out DB, and use redis.NewClusterClient"},
	{"This instance has cluster support disabled", permanent, "the server is not a node of a Cluster: use redis.NewClient"},
	{"DENIED ", permanent, "give the server a password, and the client as well"},

	{"READONLY ", passing, needsPrimary},
	{"MASTERDOWN ", passing, needsPrimary},
	{"CLUSTERDOWN ", passing, "look at CLUSTER INFO and CLUSTER NODES: a part of the Cluster has no primary"},
	{"CROSSSLOT ", passing, "check whether a hook of the client, or a proxy, changes the names of keys"},
	{"max number of clients reached", passing, "raise maxclients of the server, or open fewer connections: a process needs only one Backing for all its locks"},
}

// classify notes what an answer says about the client's settings, and adds advice to the
// errors that come of them. It marks those that trying again cannot cure. Everything else,
// such as a server that loads or is full, or a refused connection, may pass within the
// lease; the mutex's policy decides how long to try.
func (b *Backing) classify(err error) error {
	if err == nil {
		b.contact.accept()
		return nil
	}
	if _, done := errors.AsType[*SetupError](err); done || backing.IsPermanent(err) {
		return err
	}
	if errors.Is(err, goredis.ErrClosed) {
		return backing.Permanent(err)
	}
	var answer goredis.Error
	if !errors.As(err, &answer) {
		return b.explainSilence(err)
	}
	if errors.Is(err, goredis.Nil) && !isNil(err) {
		return &SetupError{"the Sentinels know no group of this name: check MasterName of the client", err}
	}
	v, advice := b.verdictOn(plainText(answer.Error()))
	if v != refused {
		b.contact.accept()
	} else if b.contact.refuse(time.Now()) {
		v = permanent
	}
	if advice != "" {
		err = &SetupError{advice, err}
	}
	if v == permanent {
		err = backing.Permanent(err)
	}
	return err
}

// verdictOn returns the verdict on an error of a server, and the advice, which is "" if the
// error needs none.
func (b *Backing) verdictOn(text string) (verdict, string) {
	if hasPrefix(text, "MOVED ") || hasPrefix(text, "ASK ") {
		return b.verdictOnRedirection()
	}
	for _, s := range setups {
		switch {
		case !hasPrefix(text, s.begins):
		case s.advice == needsRules:
			return s.verdict, needsRules + b.rules()
		default:
			return s.verdict, s.advice
		}
	}
	return passing, ""
}

// rules returns the ACL rules that the package documentation lists.
func (b *Backing) rules() string {
	rules := "~" + b.prefix + "* " + aclRules
	if _, cluster := b.client.(*goredis.ClusterClient); cluster {
		rules += " " + aclClusterRules
	}
	return rules
}

const (
	aclRules        = "&push:* +eval +evalsha +get +set +del +exists +pttl +pexpire +time +zadd +zrem +zscore +zincrby +zrangebyscore +zremrangebyscore +publish +subscribe"
	aclClusterRules = "+cluster|slots +spublish +ssubscribe"
)

// verdictOnRedirection returns the verdict on a redirection that the client did not follow.
// A client of a single server never follows one. That of a Cluster gives up for now while
// slots move, and so may a client of the caller's own type that wraps one.
func (b *Backing) verdictOnRedirection() (verdict, string) {
	if b.oneServer {
		return permanent, useCluster
	}
	if _, cluster := b.client.(*goredis.ClusterClient); cluster {
		return passing, ""
	}
	return passing, unlessCluster
}

// scriptFailure finds the error of a command inside a script: Redis before 7.0 says where it
// was, with or without "ERR Error running script (call to f_…): " and a minus sign.
var scriptFailure = regexp.MustCompile(`^(?:ERR Error running script .*)?@user_script: ?\d+: -?(.*)`)

// plainText returns an error of a server as later versions word it, without "ERR ".
func plainText(text string) string {
	if inner := scriptFailure.FindStringSubmatch(text); inner != nil {
		text = inner[1]
	}
	return strings.ReplaceAll(strings.TrimPrefix(text, "ERR "), "`", "'")
}

// hasPrefix is strings.HasPrefix without regard to case.
func hasPrefix(text, prefix string) bool {
	return len(text) >= len(prefix) && strings.EqualFold(text[:len(prefix)], prefix)
}

// isNil reports whether err is the answer that there is no such key. A Sentinel that knows
// no group of the name answers the same, but go-redis joins that with the answers of the
// other Sentinels.
func isNil(err error) bool {
	for ; err != nil; err = errors.Unwrap(err) {
		if err == goredis.Nil { //nolint:errorlint // errors.Is looks into joined errors
			return true
		}
	}
	return false
}

// explainSilence adds advice to failures in which no Redis server has answered.
func (b *Backing) explainSilence(err error) error {
	_, noTLS := errors.AsType[tls.RecordHeaderError](err)
	advice := ""
	switch {
	case noTLS:
		advice = "the port does not use TLS: leave out TLSConfig, or write redis:// instead of rediss://"
	case strings.Contains(err.Error(), "redis: can't parse"), strings.Contains(err.Error(), "redis: invalid reply"):
		advice = "this is not a reply of a Redis server: check the address"
	case b.contact.isMade(): // a connection may break, and a server be slow
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		advice = "the server closes the connection: check whether its port wants TLS, whether it is in protected mode, whether it has reached maxclients, and whether it is a proxy that does not know HELLO"
	case b.usesTLS() && isTimeout(err):
		advice = "check whether the port uses TLS"
	}
	if advice == "" {
		return err
	}
	return &SetupError{advice, err}
}

func (b *Backing) usesTLS() bool {
	c, ok := b.client.(*goredis.Client)
	return ok && c.Options().TLSConfig != nil
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}
