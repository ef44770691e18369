package redis

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
)

type refusal string

func (r refusal) Error() string { return string(r) }
func (refusal) RedisError()     {}

// newUnused is a Backing whose client is never used.
func newUnused(t *testing.T, c goredis.UniversalClient) *Backing {
	t.Helper()
	t.Cleanup(func() { _ = c.Close() })
	return New(c)
}

func toServer(t *testing.T) *Backing {
	t.Helper()
	return newUnused(t, goredis.NewClient(&goredis.Options{Addr: "127.0.0.1:1"}))
}

// The texts are those of Redis 3.2, 4.0, 5.0, 6.0, 6.2, 7.0 and 7.2.
func TestAnswerOfAServerIsExplainedAndPermanentIfItStays(t *testing.T) {
	t.Parallel()
	const before70 = "ERR Error running script (call to f_06dc83eaf47cffb03cde4c816405ec18dba262c5): @user_script"
	const passes, stays = false, true
	for _, tt := range []struct {
		says      string
		permanent bool
		advice    string // part of the advice; "" if there is none
	}{
		{"WRONGTYPE Operation against a key holding the wrong kind of value", stays, "choose another key"},
		{before70 + ":20: WRONGTYPE Operation against a key holding the wrong kind of value", stays, "choose another key"},
		{before70 + ": 20: -WRONGTYPE Operation against a key holding the wrong kind of value", stays, "choose another key"},
		{"ERR WRONGTYPE Operation against a key holding the wrong kind of value", stays, "choose another key"},

		{"NOPERM this user has no permissions", stays, "~dmutex:* &push:* +eval"},
		{"NOPERM User worker has no permissions to run the 'evalsha' command", stays, "~dmutex:* &push:* +eval"},
		{"ERR The user executing the script can't run this command or subcommand script: f0, on @user_script:9.", stays, "+evalsha"},
		{"ERR ACL failure in script: User worker has no permissions to run the 'time' command", stays, "+evalsha"},
		{"@user_script: 52: The user executing the script can't run this command or subcommand", stays, "+evalsha"},
		{before70 + ": 20: The user executing the script can't run this command or subcommand", stays, "+evalsha"},

		{"ERR syntax error", stays, "SET with GET: locks need Redis 6.2 or later"},
		{before70 + ":58: @user_script: 58: Write commands not allowed after non deterministic commands. Call redis.replicate_commands()", stays, "Redis 6.2 or later"},
		{"ERR Error compiling script (new function): user_script:1: '=' expected", stays, "Redis 6.2 or later"},
		{before70 + ":1: Script attempted to access nonexistent global variable 'table'", stays, "Redis 6.2 or later"},
		{"ERR unknown command 'evalsha', with args beginning with: 'f0' '3'", stays, "use goredis.NewFailoverClient"},
		{"ERR unknown command `EVALSHA`, with args beginning with: ", stays, "Redis 6.2 or later"},
		{"ERR Unknown subcommand or wrong number of arguments for 'slots'", stays, "Redis 6.2 or later"},
		{"@user_script: 52: Unknown Redis command called from Lua script", stays, "Redis 6.2 or later"},
		{"ERR Unknown Redis command called from script", stays, "Redis 6.2 or later"},
		{"ERR This Redis command is not allowed from script", stays, "Redis 6.2 or later"},
		{"ERR unknown command `sentinel`, with args beginning with: `get-master-addr-by-name`", passes, "SentinelAddrs"},

		{"ERR DB index is out of range", stays, "DB in the client's options"},
		{"ERR SELECT is not allowed in cluster mode", stays, "goredis.NewClusterClient"},
		{"ERR This instance has cluster support disabled", stays, "goredis.NewClient"},
		{"DENIED Redis is running in protected mode because …", stays, "password"},
		{"MOVED 12182 127.0.0.1:7002", stays, "use goredis.NewClusterClient"},
		{"ASK 12182 127.0.0.1:7002", stays, "use goredis.NewClusterClient"},

		{"READONLY You can't write against a read only replica.", passes, "connect to the primary"},
		{before70 + ": 32: -READONLY You can't write against a read only replica.", passes, "connect to the primary"},
		{"MASTERDOWN Link with MASTER is down", passes, "connect to the primary"},
		{"CLUSTERDOWN The cluster is down", passes, "CLUSTER INFO"},
		{"CROSSSLOT Keys in request don't hash to the same slot", passes, "renames keys"},
		{"ERR max number of clients reached", passes, "maxclients"},
		{before70 + ": 32: -OOM command not allowed when used memory > 'maxmemory'.", passes, "raise maxmemory"},
		{"LOADING Redis is loading the dataset in memory", passes, ""},
		{"ERR Script attempted to access a non local key in a cluster node", passes, ""},
	} {
		said := fmt.Errorf("wrapped: %w", refusal(tt.says))
		err := toServer(t).classify(said)
		assert.Equal(t, tt.permanent, backing.IsPermanent(err), tt.says)
		assert.ErrorIs(t, err, said)
		setup, explained := errors.AsType[*SetupError](err)
		require.Equal(t, tt.advice != "", explained, tt.says)
		if explained {
			assert.Contains(t, setup.Advice, tt.advice, tt.says)
			assert.ErrorIs(t, setup.Err, said)
			assert.Equal(t, "SetupError", setup.Tag())
			assert.Contains(t, err.Error(), ": "+setup.Advice)
		}
	}
	assert.NoError(t, toServer(t).classify(nil))
}

// The rules have the prefix in use, and on a Cluster those needed there.
func TestMissingPermissionNamesTheRulesThatAreNeeded(t *testing.T) {
	t.Parallel()
	c := goredis.NewClusterClient(&goredis.ClusterOptions{Addrs: []string{"127.0.0.1:1"}})
	defer c.Close()
	err := New(c, KeyPrefix("app:")).classify(refusal("NOPERM No permissions to access a key"))
	assert.EqualError(t, err, "NOPERM No permissions to access a key: give the user the rules ~app:* "+aclRules+aclClusterRules)
}

// A client that follows redirections may have given up for now.
func TestRedirectionMayPassUnlessTheClientIsOneOfASingleServer(t *testing.T) {
	t.Parallel()
	moved := refusal("MOVED 12182 127.0.0.1:7002")
	cluster := goredis.NewClusterClient(&goredis.ClusterOptions{Addrs: []string{"127.0.0.1:1"}})
	assert.Equal(t, moved, newUnused(t, cluster).classify(moved))
	wrapped := newUnused(t, struct{ goredis.UniversalClient }{cluster})
	err := wrapped.classify(moved)
	assert.False(t, backing.IsPermanent(err))
	assert.EqualError(t, err, "MOVED 12182 127.0.0.1:7002: the client did not follow this redirection: if it is not for a Cluster, use goredis.NewClusterClient")
}

func TestFailureWithoutAnAnswerMayPass(t *testing.T) {
	t.Parallel()
	closing := "the server closes the connection: check whether its port requires TLS"
	for _, tt := range []struct {
		err      error
		advice   string // if the server has never answered
		answered string // if it has
	}{
		{io.EOF, closing, ""},
		{syscall.ECONNRESET, closing, ""},
		{syscall.EPIPE, closing, ""},
		{goredis.ErrPoolTimeout, "", ""},
		{syscall.ECONNREFUSED, "", ""},
		{context.DeadlineExceeded, "", ""},
		{errors.New("WRONGTYPE is not what the server said"), "", ""},
		{tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}, "the port does not use TLS", "the port does not use TLS"},
		{errors.New(`redis: can't parse map reply: "HTTP/1.1 400 Bad Request"`), "not from a Redis server", "not from a Redis server"},
	} {
		for answered, advice := range map[bool]string{false: tt.advice, true: tt.answered} {
			b, failed := toServer(t), fmt.Errorf("wrapped: %w", tt.err)
			if answered {
				require.NoError(t, b.classify(nil))
			}
			err := b.classify(failed)
			assert.ErrorIs(t, err, tt.err)
			assert.False(t, backing.IsPermanent(err))
			if advice == "" {
				assert.Equal(t, failed, err)
			} else {
				assert.ErrorContains(t, err, advice)
			}
		}
	}
}

func TestSilenceAtTheFirstConnectionWithTLSIsExplained(t *testing.T) {
	t.Parallel()
	c := goredis.NewClient(&goredis.Options{Addr: "127.0.0.1:1", TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12}})
	assert.ErrorContains(t, newUnused(t, c).classify(context.DeadlineExceeded), "check whether the port uses TLS")
}

func TestClosedClientStaysClosed(t *testing.T) {
	t.Parallel()
	assert.True(t, backing.IsPermanent(toServer(t).classify(fmt.Errorf("wrapped: %w", goredis.ErrClosed))))
}

// A Sentinel that does not know the group answers nil, as a server does when there is no
// key.
func TestNilOfASentinelIsNoAnswerAboutAKey(t *testing.T) {
	t.Parallel()
	unknown := fmt.Errorf("redis: all sentinels specified in configuration are unreachable: %w", errors.Join(goredis.Nil))
	assert.False(t, isNil(unknown))
	assert.True(t, isNil(fmt.Errorf("a hook: %w", goredis.Nil)))
	err := toServer(t).classify(unknown)
	assert.ErrorContains(t, err, "check MasterName")
	assert.False(t, backing.IsPermanent(err))
}

var credentialRefusals = []error{
	refusal("NOAUTH Authentication required."),
	refusal("WRONGPASS invalid username-password pair or user is disabled."),
	refusal("ERR invalid password"),
	refusal("ERR Protocol error: unauthenticated multibulk length"),
	refusal("ERR Protocol error: unauthenticated bulk length"),
}

func TestRefusedCredentialsMayPassForASecond(t *testing.T) {
	t.Parallel()
	for _, said := range credentialRefusals {
		synctest.Test(t, func(t *testing.T) {
			b := &Backing{}
			stays := func() bool {
				err := b.classify(said)
				assert.ErrorIs(t, err, said)
				assert.Regexp(t, "(requires a password|check the user name and the password)", err.Error())
				_, explained := errors.AsType[*SetupError](err)
				assert.True(t, explained)
				return backing.IsPermanent(err)
			}
			for range 11 {
				assert.False(t, stays(), "%v", said)
				time.Sleep(lateCredentials / 10)
			}
			assert.True(t, stays())
			time.Sleep(forgetRefusals)
			assert.True(t, stays())
			time.Sleep(forgetRefusals + 1)
			assert.False(t, stays(), "the last refusal is too long ago")
		})
	}
}

func TestAnyOtherAnswerEndsAStreakOfRefusedCredentials(t *testing.T) {
	t.Parallel()
	wrong := credentialRefusals[0]
	for _, tt := range []struct {
		err  error
		ends bool
	}{
		{nil, true},
		{refusal("LOADING Redis is loading the dataset in memory"), true},
		{refusal("NOPERM this user has no permissions"), true},
		{credentialRefusals[1], false},
		{io.EOF, false},
		{errors.New("connection refused"), false},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := &Backing{}
			assert.False(t, backing.IsPermanent(b.classify(wrong)))
			time.Sleep(lateCredentials)
			_ = b.classify(tt.err)
			time.Sleep(time.Nanosecond)
			assert.Equal(t, !tt.ends, backing.IsPermanent(b.classify(wrong)), "%v", tt.err)
		})
	}
}
