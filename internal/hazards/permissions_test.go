package hazards_test

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
)

// said is an error that a server answered.
type said string

func (s said) Error() string { return string(s) }
func (said) RedisError()     {}

// saying is a hook that refuses commands with a text.
func saying(text string, commands ...string) answering {
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

// Servers are not asked about themselves. So no refusal to say, and no old or foreign version, keeps
// anybody from a lock.
func TestHazard51_AServerIsUsedWhateverItWouldSayToInfo(t *testing.T) {
	t.Parallel()
	s := newStore(t, "--rename-command", "INFO", "")
	process := func() *redis.Backing {
		c := s.client(goredis.Options{})
		c.AddHook(answering(func(cmd goredis.Cmder) bool {
			assert.NotEqual(t, "info", cmd.Name())
			return false
		}))
		return redis.New(c)
	}
	b := spyOn(t, process())
	holder := s.hold(b, mutex.Config{TTL: long, RefreshInterval: short / 4})
	waiter := s.want(process())
	s.awaitQueue(1)
	b.refreshes()
	holder.letsGo()
	waiter.takesTurn()
	holder.assertQuiet()
	waiter.assertQuiet()
	s.assertFree()
}

// A server that is too old shows by what it lacks. The texts are those of the named versions.
func TestHazard51_AServerThatIsTooOldSaysWhatIsNeeded(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"Redis 6.0":                  "ERR syntax error",
		"Redis 7.2, without EVALSHA": "ERR unknown command 'evalsha', with args beginning with: '004398e7dce8888eb938b5261042d39bc20ae743' '3' 'dmutex:k' ",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := sharedStore(t)
			c := s.client(goredis.Options{})
			c.AddHook(saying(text, "eval", "evalsha"))
			s.assertNeedsNewer(redis.New(c), text)
		})
	}
	t.Run("a server whose SET is renamed", func(t *testing.T) {
		t.Parallel()
		s := newStore(t, "--rename-command", "SET", "")
		s.assertNeedsNewer(s.process(), "ERR Unknown Redis command called from script")
	})
}

// assertNeedsNewer asserts that acquires fail for good, with the server's error and the remedy.
func (s store) assertNeedsNewer(b backing.Backing, text string) {
	s.t.Helper()
	for way, acquire := range acquiring {
		_, err := acquire(newMutex(s.t, b, s.key, mutex.Config{}), neverRuns(s.t))(s.t.Context())
		var failed *mutex.MutexBackingError
		require.ErrorAs(s.t, err, &failed, way)
		assert.Equal(s.t, "tryAcquire", failed.Operation)
		assert.True(s.t, backing.IsPermanent(err), "%v", err)
		setup, ok := errors.AsType[*redis.SetupError](err)
		require.True(s.t, ok, "%v", err)
		assert.Contains(s.t, setup.Advice, "locks need Redis 6.2 or later")
		assert.ErrorContains(s.t, setup.Err, text)
		var answer goredis.Error
		assert.ErrorAs(s.t, err, &answer)
	}
	s.assertFree()
}

// An application on a shared server may touch only keys that begin with its own prefix. With
// that pattern, and the commands and channels that the documentation of the package lists, it
// locks, waits and hands over, whatever the key and its tags.
func TestHazard52_AUserWithThePatternOfThePrefixAloneCanLock(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	allowed := []string{"reset", "on", ">pw", "~app1:*"}
	for _, rule := range documentedRules(t) {
		if !strings.HasPrefix(rule, "~") {
			allowed = append(allowed, strings.ReplaceAll(rule, "dmutex:", "app1:"))
		}
	}
	s.Allow("app1", allowed...)
	for _, prefix := range []string{"app1:", "app1:{locks}:", "app1:a}b:"} {
		process := func() *redis.Backing {
			return redis.New(s.client(goredis.Options{Username: "app1", Password: "pw"}), redis.KeyPrefix(prefix))
		}
		near, far := spyOn(t, process()), process()
		for _, name := range []string{"nightly", "{app1:}nightly", "night{ly}", "a}b", "}{"} {
			name += prefix // to the judge, each is a lock of its own
			holder := s.holdKey(name, near, mutex.Config{TTL: long, RefreshInterval: short / 8})
			inside, outside := s.wantKey(name, near), s.wantKey(name, far)
			inside.waits()
			outside.waits()
			near.refreshes()
			holder.letsGo()
			serve(t, inside, outside)
			for _, who := range []*contender{holder, inside, outside} {
				who.assertQuiet()
			}
		}
	}
	for _, k := range s.keys("*") {
		assert.True(t, strings.HasPrefix(k, "app1:"), "%q", k)
	}
}

// documentedRules returns the ACL rules that a user needs, from the documentation of package
// redis.
func documentedRules(t *testing.T) []string {
	t.Helper()
	sources, err := filepath.Glob("../../redis/*.go")
	require.NoError(t, err)
	for _, source := range sources {
		text, err := os.ReadFile(source)
		require.NoError(t, err)
		if rules := regexp.MustCompile(`(?m)^//\t(~.*\+evalsha.*)$`).FindSubmatch(text); rules != nil {
			return strings.Fields(string(rules[1]))
		}
	}
	require.FailNow(t, "the documentation of package redis has no ACL rules")
	return nil
}
