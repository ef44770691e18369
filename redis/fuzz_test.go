package redis_test

import (
	"context"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/IBM/fp-go/v2/option"
	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/internal/redistest"
	"github.com/effectlock/effectlock/redis"
)

// Names of any bytes are what they are: two keys are two locks, two ids two
// holders, in whatever operation.
func FuzzKeysAndHolders(f *testing.F) {
	megabyte := strings.Repeat("x", 1<<20)
	for _, s := range [][4]string{
		{"k", "l", "a", "b"}, {"k", "k ", "a", "a "}, {"k", "k\x00", "a\x00", "a"}, {"k\r\n", "k\n", "\r\n", "\n"},
		{"{k}", "k", "{a}", "a"}, {"k}", "{k", "}", "{"}, {"{}k", "{}", "{}", "}{"}, {"k}:a", "k", "a", "a}:a"},
		{"\xff\xfe", "\xff", "\xc3\x28", "\xc3"}, {"%s%d", "%n", "^%d+$", "1 x"}, {"7:dmutex:k", "k", "1", "1 1"},
		{megabyte, megabyte + "x", "a", "b"}, {"k", "l", megabyte, megabyte + "\x00"}, {"fence:{dmutex:k}", "k", "a", "b"},
		{"{t}1", "{t}2", "2000 push:x a", "a"}, {" ", "  ", " ", "\t"}, {"k", "k:a", "a", ":a"}, {"same", "same", "same", "same"},
	} {
		f.Add(s[0], s[1], s[2], s[3])
	}
	s := redistest.Start(f)
	c := s.Client(f)
	one, other := redis.New(s.Client(f)), redis.New(s.Client(f))
	f.Fuzz(func(t *testing.T, key, key2, holder, holder2 string) {
		if key == "" || key2 == "" || holder == "" || holder2 == "" {
			return
		}
		require.NoError(t, c.FlushAll(t.Context()).Err())
		token := acquire(t, one, key, holder)
		assertHolder(t, other, key, holder)
		assert.Equal(t, token, acquire(t, other, key, holder))
		if key2 != key {
			locked, err := one.IsLocked(t.Context(), key2)
			require.NoError(t, err)
			require.False(t, locked)
			acquire(t, other, key2, holder)
			assertReleases(t, true, other, key2, holder)
			assertHolder(t, one, key, holder)
			acquire(t, other, key2, holder2) // which is not in key's queue
		}
		if holder2 != holder {
			assertRefused(t, other, key, holder2)
			assertRefreshes(t, false, other, key, holder2)
			assertReleases(t, false, other, key, holder2)
			handsOver(t, one, other, key, holder, holder2)
		}
		assertRefreshes(t, true, one, key, holder)
		assertReleases(t, true, one, key, holder)
		assertReleases(t, true, one, key, holder)
		assertRefreshes(t, false, one, key, holder)
		assertReleases(t, false, one, key, "not "+holder)
		if key2 != key {
			all := one.RefreshAll(t.Context(), []backing.Claim{claim(key2, holder2), claim(key, holder)})
			assert.Equal(t, []backing.Refreshed{{Held: true}, {}}, all)
			assertHolder(t, one, key2, holder2)
			assertReleases(t, true, one, key2, holder2)
		}
		left, err := c.Keys(t.Context(), "*").Result()
		require.NoError(t, err)
		for _, k := range left {
			assert.Regexp(t, `^(fence|released):\{`, k)
		}
		if len(left) < 10 {
			assertAllExpire(t, c)
		}
	})
}

// handsOver has holder2 wait for holder's lock, have it, and give it back.
func handsOver(t *testing.T, one, other *redis.Backing, key, holder, holder2 string) {
	t.Helper()
	w := waiter(key, holder2)
	queuesAtLast(t, other, w)
	queuesAtLast(t, other, w) // and keeps its place
	assertReleases(t, true, one, key, holder)
	w.isHanded(t)
	token := acquire(t, other, key, holder2) // which has it, or had it for two seconds
	assertHolder(t, one, key, holder2)
	assertRefused(t, one, key, holder)
	back := pass(t, other, holder2, waiter(key, holder), true) // nobody else waits
	g, ok := option.Unwrap(back.Grant)
	require.True(t, ok)
	assert.Greater(t, g.Token, token)
	assertHolder(t, other, key, holder)
	assertReleases(t, true, one, key, holder2) // it was given back by that
	assertHolder(t, other, key, holder)
}

// Whatever others publish on the channel of a process, a claimant takes for a grant
// only what names it and its lock as a script does, and no lease longer than its own.
func FuzzMessages(f *testing.F) {
	const forever = "9999999999999999"
	for _, payload := range []string{
		"", " ", "x", "5 100 " + forever + " 8 dmutex:kb", "5 100 " + forever + " 8 dmutex:kc", "5 100 " + forever + " 9 dmutex:kb", "5 100 " + forever + " 99 dmutex:kb",
		"5 100 1 8 dmutex:kb", "-5 100 " + forever + " 8 dmutex:kb", "5 -100 " + forever + " 8 dmutex:kb", "5 9223372036854775807 " + forever + " 8 dmutex:kb",
		"99999999999999999999 1 " + forever + " 8 dmutex:kb", "5 100 9223372036854775807 8 dmutex:kb", "5  100 1 8 dmutex:kb", "5 0 " + forever + " 8 dmutex:kb",
		"5 9223372036855 " + forever + " 8 dmutex:kb", "5 600000 " + forever + " 8 dmutex:kb", "+5 +1 +" + forever + " +8 dmutex:kb", "5 100 " + forever + " 0 dmutex:kb", "5 100 " + forever + " -8 dmutex:kb",
		"NaN 1 2 8 dmutex:kb", "0x5 1 2 8 dmutex:kb", "5 100 " + forever + " 8 \x00mutex:kb", strings.Repeat("9", 100_000),
	} {
		f.Add(payload)
	}
	s := redistest.Start(f)
	c := s.Client(f)
	one, other := redis.New(s.Client(f)), redis.New(s.Client(f))
	f.Fuzz(func(t *testing.T, payload string) {
		ctx := t.Context()
		require.NoError(t, c.FlushAll(ctx).Err())
		acquire(t, one, "k", "a")
		w := waiter("k", "b")
		before := time.Now()
		queuesAtLast(t, other, w)
		channels, err := c.PubSubChannels(ctx, "push:*").Result()
		require.NoError(t, err)
		require.Len(t, channels, 1)
		require.NoError(t, c.Publish(ctx, channels[0], payload).Err())
		assertReleases(t, true, one, "k", "a") // what this publishes comes after it
		h := w.isHanded(t)
		assert.False(t, h.Start.After(time.Now()))
		assert.LessOrEqual(t, h.Lease, w.TTL)
		if forged, ok := grantIn(payload); !ok || h.Token != forged {
			assert.False(t, h.Start.Before(before))
			word, _, _ := strings.Cut(c.Get(ctx, "fence:{dmutex:k}").Val(), " ")
			assert.Equal(t, word, strconv.FormatUint(h.Token, 10))
		}
		acquire(t, other, "k", "b")
		assertReleases(t, true, other, "k", "b")
		assert.Empty(t, w.handed)
	})
}

// grantIn reads a message as the scripts write it.
func grantIn(payload string) (token uint64, ok bool) {
	m := regexp.MustCompile(`(?s)^\+?(\d+) \+?\d+ \+?\d+ \+?0*8 dmutex:kb$`).FindStringSubmatch(payload)
	if m == nil {
		return 0, false
	}
	token, err := strconv.ParseUint(m[1], 10, 63)
	return token, err == nil
}

// Whoever else has got into the queue, one who waits in it and asks again has the
// lock when it is free: the server does not fail, and nobody is given a lock who
// does not hear of it.
func FuzzQueueMembers(f *testing.F) {
	for _, member := range []string{
		"", "x", "2000 push:dead x", "2000  x", "2000 push:dead b", "0 push:dead x", "-1 push:dead x", "99999999999999999999 push:dead x",
		"9223372036854775807 push:dead x", "1e9 push:dead x", "2000 push:{dead} x", "2000 {", "2000 push:dead \x00\xff", "2000\npush:dead x", strings.Repeat("9", 1000) + " c h",
	} {
		f.Add(member, 0.0)
		f.Add(member, 1e300)
	}
	s := redistest.Start(f)
	c := s.Client(f)
	one, other := redis.New(s.Client(f)), redis.New(s.Client(f))
	f.Fuzz(func(t *testing.T, member string, score float64) {
		ctx := t.Context()
		require.NoError(t, c.FlushAll(ctx).Err())
		acquire(t, one, "k", "a")
		if score == score { // Redis takes all but NaN
			require.NoError(t, c.ZAdd(ctx, "queue:{dmutex:k}", goredis.Z{Score: score, Member: member}).Err())
		}
		w := waiter("k", "b")
		queuesAtLast(t, other, w)
		assertReleases(t, true, one, "k", "a")
		if !askedFor(t, other, w) {
			require.FailNow(t, "does not get the lock")
		}
		acquire(t, other, "k", "b")
		assertHolder(t, one, "k", "b")
		assertReleases(t, true, other, "k", "b")
		locked, err := one.IsLocked(ctx, "k")
		require.NoError(t, err)
		assert.False(t, locked)
		assertAllExpire(t, c)
	})
}

// queuesAtLast is queues on a machine that may take long to subscribe.
func queuesAtLast(t *testing.T, b *redis.Backing, w told) {
	t.Helper()
	for give := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		s := enqueue(t, b, w)
		require.True(t, option.IsNone(s.Grant), "somebody else has it")
		if s.AskAgain > 0 {
			return
		}
		require.True(t, time.Now().Before(give), "not queued: %v", s.NotQueued)
	}
}

// askedFor tells whether a claimant has been handed the lock, or gets it by asking once more.
func askedFor(t *testing.T, b *redis.Backing, w told) bool {
	t.Helper()
	select {
	case <-w.handed:
		return true
	case <-time.After(20 * time.Millisecond):
	}
	standing, err := b.Enqueue(context.Background(), w.Waiter)
	require.NoError(t, err)
	if option.IsSome(standing.Grant) {
		return true
	}
	select { // it was on its way
	case <-w.handed:
		return true
	case <-time.After(10 * time.Second):
		return false
	}
}
