package hazards_test

import (
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

// An application on a shared server may touch nothing but keys that begin with its own
// prefix. With that pattern, and the commands and the channels that the documentation of
// the package lists, it locks, waits and hands over; whatever the key and its tags.
func TestHazard52_AUserWithThePatternOfThePrefixAloneCanLock(t *testing.T) {
	t.Parallel()
	rules := documentedRules(t)
	for _, prefix := range []string{"app1:", "app1:{locks}:", "app1:a}b:"} {
		t.Run(prefix, func(t *testing.T) {
			t.Parallel()
			s := newStore(t)
			allowed := []string{"reset", "on", ">pw", "~app1:*"}
			for _, rule := range rules {
				if !strings.HasPrefix(rule, "~") {
					allowed = append(allowed, strings.ReplaceAll(rule, "dmutex:", "app1:"))
				}
			}
			s.Allow("app1", allowed...)
			process := func() *redis.Backing {
				c := goredis.NewClient(&goredis.Options{Addr: s.Addr(), Username: "app1", Password: "pw"})
				t.Cleanup(func() { _ = c.Close() })
				return redis.New(c, redis.KeyPrefix(prefix))
			}
			near, far := process(), process()
			for _, name := range []string{"nightly", "{app1:}nightly", "night{ly}", "a}b", "a{b", "{}", "}{"} {
				holder := contend(t, near, name, mutex.Config{TTL: long})
				holder.enters(t, patience)
				inside := contend(t, near, name, mutex.Config{TTL: long})
				inside.waits(t)
				outside := contend(t, far, name, mutex.Config{TTL: long})
				outside.waits(t)
				for _, who := range []*contender{holder, inside, outside} {
					who.enters(t, little)
					held, err := near.Refresh(t.Context(), backing.Claim{Key: name, Holder: who.holder, TTL: long})
					require.NoError(t, err)
					assert.True(t, held)
					who.letsGo(t)
					assert.Zero(t, who.seen(mutex.BackingFailed), "%q: %v", name, who.lastError(mutex.BackingFailed))
					assert.Zero(t, who.seen(mutex.Polling), "%q: %v", name, who.lastError(mutex.Polling))
				}
			}
			keys, err := s.direct.Keys(t.Context(), "*").Result()
			require.NoError(t, err)
			for _, k := range keys {
				assert.True(t, strings.HasPrefix(k, "app1:"), "%q", k)
			}
		})
	}
}

// documentedRules are the ACL rules that the documentation of package redis says a
// user needs.
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
