package redis_test

import (
	"cmp"
	"context"
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/internal/redistest"
	"github.com/effectlock/effectlock/redis"
)

// documentedRules are the ACL rules that the package's documentation says a
// user needs.
func documentedRules(t *testing.T) []string {
	t.Helper()
	source, err := os.ReadFile("redis.go")
	require.NoError(t, err)
	rules := regexp.MustCompile(`(?m)^//\t(~.*\+evalsha.*)$`).FindSubmatch(source)
	require.NotNil(t, rules)
	return strings.Fields(string(rules[1]))
}

var (
	errNotWoken  = errors.New("a waiter is not woken")
	errNotQueued = errors.New("a waiter is not queued")
)

// useAll runs every script, and every command in it, and returns the first error. admin may
// do what the user may not.
func useAll(ctx context.Context, b *redis.Backing, admin goredis.UniversalClient) (first error) {
	note := func(err error) { first = cmp.Or(first, err) }
	for _, key := range []string{"plain", "with {tag}", "with a } only"} {
		woken := make(chan struct{}, 9)
		waiter := func(holder string) backing.Waiter {
			return backing.Waiter{Claim: claim(key, holder), Wake: func() { woken <- struct{}{} }}
		}
		enqueue := func(holder string) {
			o, err := b.Enqueue(ctx, waiter(holder))
			if poll, polls := o.(backing.MustPoll); polls {
				err = errors.Join(errNotQueued, poll.Why)
			}
			note(err)
		}
		pass := func(from, to string, yield bool) {
			_, err := b.Pass(ctx, claim(key, from), waiter(to), yield)
			note(err)
		}
		release := func(holder string) { _, err := b.Release(ctx, key, holder); note(err) }
		for _, holder := range []string{"h", "h", "other"} {
			_, err := b.TryAcquire(ctx, claim(key, holder))
			note(err)
		}
		_, err := b.Refresh(ctx, claim(key, "h"))
		note(err)
		_, err = b.GetHolder(ctx, key)
		note(err)
		enqueue("w")
		pass("h", "v", true)
		pass("h", "v", true)
		if first != nil {
			return first
		}
		select {
		case <-woken:
		case <-time.After(time.Second):
			return errNotWoken
		}
		enqueue("w")
		pass("w", "u", false)
		release("v")
		// A waiter whose process is gone is passed over.
		note(admin.ZAdd(ctx, "dmutex:{dmutex:plain}~queue", goredis.Z{Score: 1, Member: "2000 push:gone x"}).Err())
		release("u")
		release("u")
	}
	return first
}

func TestDocumentedUserCanLockAndNoRuleIsTooMuch(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	admin := s.Client(t)
	ctx := t.Context()
	as := func(t *testing.T, rules []string) error {
		t.Helper()
		require.NoError(t, admin.FlushAll(ctx).Err())
		require.NoError(t, admin.ScriptFlush(ctx).Err())
		setUser(t, admin, rules)
		c := dial(t, goredis.Options{Addr: s.Addr(), Username: "worker", Password: "pw"})
		return useAll(ctx, redis.New(c), admin)
	}
	rules := documentedRules(t)
	require.NoError(t, as(t, rules))
	for i, rule := range rules {
		t.Run("without "+rule, func(t *testing.T) {
			err := as(t, append(append([]string{}, rules[:i]...), rules[i+1:]...))
			require.Error(t, err)
			// A release succeeds even if waiters cannot be woken.
			unserved := rule == "+publish" || rule == "+zrangebyscore"
			if !unserved || !errors.Is(err, errNotWoken) {
				assert.True(t, backing.IsPermanent(err), "%v", err)
				assert.ErrorContains(t, err, ": give the user the rules "+strings.Join(rules, " "))
			}
		})
	}
}

// setUser makes the user worker with the password pw.
func setUser(t *testing.T, admin *goredis.Client, rules []string) {
	t.Helper()
	set := []any{"ACL", "SETUSER", "worker", "reset", "on", ">pw"}
	for _, rule := range rules {
		set = append(set, rule)
	}
	require.NoError(t, admin.Do(t.Context(), set...).Err())
}

// On a Cluster the user needs what the documentation adds for it, and no more.
func TestDocumentedUserCanLockOnACluster(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t)
	admin := cluster.Client(t)
	as := func(rules []string) error {
		for _, s := range cluster.Servers {
			c := s.Client(t)
			require.NoError(t, c.FlushAll(t.Context()).Err())
			setUser(t, c, rules)
		}
		c := goredis.NewClusterClient(&goredis.ClusterOptions{Addrs: cluster.Addrs(), Username: "worker", Password: "pw"})
		defer c.Close()
		return useAll(t.Context(), redis.New(c), admin)
	}
	rules := append(documentedRules(t), "-publish", "-subscribe")
	more := documentedForCluster(t)
	require.NoError(t, as(append(rules, more...)))
	for i, rule := range more {
		err := as(append(append(append([]string{}, rules...), more[:i]...), more[i+1:]...))
		require.Error(t, err, "without %s", rule)
		if errorsAs[*redis.SetupError](err) {
			assert.ErrorContains(t, err, ": give the user the rules "+strings.Join(append(documentedRules(t), more...), " "))
		}
	}
}

// documentedForCluster are the additional rules that a Cluster needs.
func documentedForCluster(t *testing.T) []string {
	t.Helper()
	source, err := os.ReadFile("redis.go")
	require.NoError(t, err)
	sentence := regexp.MustCompile(`(?m)^// and on a Cluster (\+.*) as well`).FindSubmatch(source)
	require.NotNil(t, sentence)
	rules := regexp.MustCompile(`\+[a-z|]+`).FindAllString(string(sentence[1]), -1)
	require.NotEmpty(t, rules)
	return rules
}
