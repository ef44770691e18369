package hazards_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/IBM/fp-go/v2/option"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
	"github.com/effectlock/effectlock/schedule"
)

func TestLocksOnOtherPeoplesServers(t *testing.T) {
	t.Parallel()
	for name, start := range otherServers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			if s.says != "" {
				s.refuses(t)
				return
			}
			s.works(newArena(t))
		})
	}
}

// works asserts that two processes exclude each other, that one lease and many are kept alive,
// that the waiter is served, and that all locks can be read and are free in the end.
func (s otherServer) works(a *arena) {
	a.t.Helper()
	near, far := spyOn(a.t, redis.New(s.client())), redis.New(s.client())
	config := mutex.Config{TTL: long, RefreshInterval: short / 2}
	holders := a.crowd(near, 20, config) // all are refreshed together
	waiter := a.wantKey(holders[0].key, far, config)
	waiter.waits()
	for range 3 {
		near.refreshes(holders...)
	}
	found, err := far.GetHolder(a.t.Context(), holders[0].key)
	require.NoError(a.t, err)
	assert.Equal(a.t, option.Some(holders[0].holder), found)
	for _, holder := range holders {
		holder.letsGo()
	}
	waiter.enters()
	assert.Equal(a.t, s.polls, waiter.seen(mutex.Polling) > 0, "%v", waiter.lastError(mutex.Polling))
	waiter.letsGo()
	for _, holder := range holders {
		locked, err := far.IsLocked(a.t.Context(), holder.key)
		require.NoError(a.t, err)
		assert.False(a.t, locked)
	}
}

// refuses asserts that an acquire fails at once, with the server's error and advice.
func (s otherServer) refuses(t *testing.T) {
	t.Helper()
	config := mutex.Config{} // by default a temporary failure is retried for a while
	if s.passes {
		config.BackingFailureRetryPolicy = schedule.Stop()
	}
	_, err := mutex.WithLock(newMutex(t, redis.New(s.client()), newKey(), config), neverRuns(t))(t.Context())
	setup := &redis.SetupError{}
	require.ErrorAs(t, err, &setup)
	assert.ErrorContains(t, err, s.says)
	assert.Contains(t, documentation(t), "`"+s.says+"`")
	assert.NotEmpty(t, setup.Advice)
	assert.Equal(t, !s.passes, backing.IsPermanent(err))
}

// Every server that docs/servers.md marks as run or imitated is in the table above, and every
// server in the table is in that page, with the error that it quotes.
func TestDocumentedServersAreThoseOfTheTable(t *testing.T) {
	t.Parallel()
	documented := map[string]bool{}
	for _, row := range regexp.MustCompile(`(?m)^\| ([^|]+) \| (run|imitated)([^|]*) \|`).FindAllStringSubmatch(documentation(t), -1) {
		name, how := row[1], row[3]
		if link := regexp.MustCompile(`\]\(\.\./(.*?)\)`).FindStringSubmatch(how); link != nil {
			tests, err := filepath.Glob(filepath.Join("../..", link[1], "*_test.go"))
			require.NoError(t, err)
			assert.NotEmpty(t, tests, "%s", name)
			continue
		}
		assert.Contains(t, otherServers, name)
		documented[name] = true
	}
	for name := range otherServers {
		assert.True(t, documented[name], "docs/servers.md has no row for %q", name)
	}
}

func documentation(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/servers.md")
	require.NoError(t, err)
	return string(text)
}

// Dragonfly and managed services refuse a script that touches a key that it has not declared.
func TestScriptsDeclareTheirKeys(t *testing.T) {
	t.Parallel()
	scripts, err := filepath.Glob("../../redis/*.lua")
	require.NoError(t, err)
	require.NotEmpty(t, scripts)
	for _, script := range scripts {
		text, err := os.ReadFile(script)
		require.NoError(t, err)
		calls := regexp.MustCompile(`redis\.p?call\((.*)`).FindAllStringSubmatch(string(text), -1)
		for _, call := range calls {
			if strings.Contains(call[1], "PUBLISH") || strings.HasPrefix(call[1], "'TIME'") {
				continue // these calls have no key
			}
			assert.Regexp(t, `^'[A-Z]+', KEYS\[[0-9n]+\]`, call[1], "%s", script)
		}
	}
}
