package hazards_test

import (
	"context"
	"errors"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
)

// answering is a hook that answers some commands in place of the server.
type answering func(cmd goredis.Cmder) (answered bool)

func (answering) DialHook(next goredis.DialHook) goredis.DialHook { return next }

func (a answering) ProcessHook(next goredis.ProcessHook) goredis.ProcessHook {
	return func(ctx context.Context, cmd goredis.Cmder) error {
		if a(cmd) {
			return cmd.Err()
		}
		return next(ctx, cmd)
	}
}

func (a answering) ProcessPipelineHook(next goredis.ProcessPipelineHook) goredis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []goredis.Cmder) error {
		for _, cmd := range cmds {
			if a(cmd) {
				return cmd.Err()
			}
		}
		return next(ctx, cmds)
	}
}

// said is an answer of a server that is an error.
type said string

func (s said) Error() string { return string(s) }
func (said) RedisError()     {}

func says(text string, commands ...string) answering {
	return func(cmd goredis.Cmder) bool {
		for _, name := range commands {
			if cmd.Name() == name {
				cmd.SetErr(said(text))
				return true
			}
		}
		return false
	}
}

func tellsVersion(version string) answering {
	return func(cmd goredis.Cmder) bool {
		info, ok := cmd.(*goredis.StringCmd)
		if !ok || cmd.Name() != "info" {
			return false
		}
		info.SetVal("# Server\r\nredis_version:" + version + "\r\n")
		return true
	}
}

// Whatever a server says of itself, or will not say: it is used for what it can do.
func TestHazard51_AServerIsUsedWhateverItSaysToInfo(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		args  []string
		rules []string
		hook  answering
	}{
		"INFO is renamed":                      {args: []string{"--rename-command", "INFO", ""}},
		"the user may not use INFO":            {rules: []string{"-info"}},
		"a proxy refuses INFO":                 {hook: says("ERR command 'INFO' is not allowed here", "info")},
		"a service refuses INFO":               {hook: says("ERR operation not permitted", "info")},
		"INFO has an old version":              {hook: tellsVersion("3.2.1")},
		"INFO has the version of another kind": {hook: tellsVersion("2.8.0 compatible")},
		"INFO has no version":                  {hook: tellsVersion("")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStore(t, append([]string{"--user", user, "on", ">" + password, "~*", "&*", "+@all"}, tt.args...)...)
			if tt.rules != nil {
				s.Allow(user, tt.rules...)
			}
			process := func() *redis.Backing {
				c := goredis.NewClient(&goredis.Options{Addr: s.Addr(), Username: user, Password: password})
				t.Cleanup(func() { _ = c.Close() })
				if tt.hook != nil {
					c.AddHook(tt.hook)
				}
				return redis.New(c)
			}
			holder := contend(t, process(), key, mutex.Config{TTL: long, RefreshInterval: 50 * time.Millisecond})
			holder.enters(t, patience)
			waiter := contend(t, process(), key, mutex.Config{TTL: long})
			waiter.waits(t)
			holder.letsGo(t)
			waiter.enters(t, little)
			assert.Greater(t, waiter.token, holder.token)
			waiter.letsGo(t)
			for _, who := range []*contender{holder, waiter} {
				assert.Zero(t, who.seen(mutex.BackingFailed), "%v", who.lastError(mutex.BackingFailed))
				assert.Zero(t, who.seen(mutex.Polling), "%v", who.lastError(mutex.Polling))
			}
			s.assertFree(t)
		})
	}
}

// What is too old shows by what it lacks. The texts are those of the versions named.
func TestHazard51_AServerThatIsTooOldSaysWhatIsNeeded(t *testing.T) {
	t.Parallel()
	const script = "ERR Error running script (call to f_004398e7dce8888eb938b5261042d39bc20ae743): @user_script"
	for name, text := range map[string]string{
		"Redis 2.4":                             "ERR unknown command 'evalsha'",
		"Redis 3.2":                             script + ":58: @user_script: 58: Write commands not allowed after non deterministic commands. Call redis.replicate_commands() at the start of your script in order to switch to single commands replication mode.",
		"Redis 6.0":                             "ERR syntax error",
		"Redis 6.2, without SET":                "@user_script: 52: Unknown Redis command called from Lua script",
		"Redis 7.2, without EVALSHA":            "ERR unknown command 'evalsha', with args beginning with: '004398e7dce8888eb938b5261042d39bc20ae743' '3' 'dmutex:k' ",
		"a service without a table of its own":  "ERR Error running script (call to f_0): @user_script:1: Script attempted to access nonexistent global variable 'table'",
		"a service that does not know commands": "ERR Unknown Redis command called from script script: 004398e7, on @user_script:52.",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStore(t)
			c := client(t, s.Addr())
			c.AddHook(says(text, "eval", "evalsha"))
			assertNeedsNewer(t, redis.New(c), text)
			s.assertFree(t)
		})
	}
	t.Run("a server whose SET is renamed", func(t *testing.T) {
		t.Parallel()
		s := newStore(t, "--rename-command", "SET", "")
		assertNeedsNewer(t, s.process(t), "ERR Unknown Redis command called from script")
		s.assertFree(t)
	})
}

// assertNeedsNewer asserts that acquires fail at once, though the policy would go on for
// half a minute, and with what the server said and what is needed.
func assertNeedsNewer(t *testing.T, b backing.Backing, text string) {
	t.Helper()
	for way, acquire := range acquiring {
		began := time.Now()
		_, err := acquire(newMutex(t, b, key, mutex.Config{}), func(context.Context) (effect.Void, error) {
			assert.Fail(t, "it works", way)
			return effect.Void{}, nil
		})(t.Context())
		var failed *mutex.MutexBackingError
		require.ErrorAs(t, err, &failed, way)
		assert.Equal(t, "tryAcquire", failed.Operation)
		assert.True(t, backing.IsPermanent(err), "%v", err)
		setup, ok := errors.AsType[*redis.SetupError](err)
		require.True(t, ok, "%v", err)
		assert.Contains(t, setup.Advice, "locks need Redis 6.2 or later")
		assert.ErrorContains(t, setup.Err, text)
		var answer goredis.Error
		assert.ErrorAs(t, err, &answer)
		assert.Less(t, time.Since(began), 15*time.Second)
	}
}
