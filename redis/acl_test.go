package redis_test

import (
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

var errNotTold = errors.New("a claimant that waits is not told of its grant")

// useAll runs every script and every branch of it.
func useAll(ctx context.Context, b backing.Backing) error {
	for _, key := range []string{"plain", "with {tag}", "with a } only"} {
		c := claim(key, "h")
		told := make(chan struct{}, 2)
		waiter := func(holder string) backing.Waiter {
			return backing.Waiter{Claim: claim(key, holder), Granted: func(backing.Handed) { told <- struct{}{} }, Retry: func() {}}
		}
		enqueue := func(holder string) func() error {
			return func() error {
				s, err := b.(backing.Queue).Enqueue(ctx, waiter(holder))
				return errors.Join(err, s.NotQueued)
			}
		}
		pass := func(from, to string, yield bool) func() error {
			return func() error {
				_, _, err := b.(backing.Passer).Pass(ctx, from, waiter(to), yield)
				return err
			}
		}
		release := func(holder string) func() error {
			return func() error { _, err := b.Release(ctx, key, holder); return err }
		}
		steps := []func() error{
			func() error { _, err := b.TryAcquire(ctx, c); return err },
			func() error { _, err := b.TryAcquire(ctx, c); return err },
			func() error { _, err := b.TryAcquire(ctx, claim(key, "other")); return err },
			func() error { _, err := b.Refresh(ctx, c); return err },
			func() error { _, err := b.GetHolder(ctx, key); return err },
			enqueue("w"),
			pass("h", "v", true),
			pass("h", "v", true),
			func() error {
				select {
				case <-told:
					return nil
				case <-time.After(time.Second):
					return errNotTold
				}
			},
			pass("w", "u", false),
			release("v"),
			enqueue("u"),
			release("u"),
			release("u"),
		}
		for _, step := range steps {
			if err := step(); err != nil {
				return err
			}
		}
	}
	return nil
}

func TestDocumentedUserCanLockAndNoRuleIsTooMuch(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	admin := s.Client(t)
	ctx := t.Context()
	as := func(t *testing.T, rules []string) error {
		require.NoError(t, admin.FlushAll(ctx).Err())
		require.NoError(t, admin.ScriptFlush(ctx).Err())
		set := []any{"ACL", "SETUSER", "worker", "reset", "on", ">pw"}
		for _, rule := range rules {
			set = append(set, rule)
		}
		require.NoError(t, admin.Do(ctx, set...).Err())
		c := goredis.NewClient(&goredis.Options{Addr: s.Addr(), Username: "worker", Password: "pw"})
		defer c.Close()
		return useAll(ctx, redis.New(c))
	}
	rules := documentedRules(t)
	require.NoError(t, as(t, rules))
	require.NoError(t, as(t, append(rules, "+info")))
	for i, rule := range rules {
		t.Run("without "+rule, func(t *testing.T) {
			err := as(t, append(append([]string{}, rules[:i]...), rules[i+1:]...))
			require.Error(t, err)
			// A release succeeds even if those who wait cannot be served.
			unserved := rule == "+publish" || rule == "+zpopmin"
			assert.True(t, backing.IsPermanent(err) || unserved && errors.Is(err, errNotTold), "%v", err)
		})
	}
}
