package redis_test

import (
	"fmt"
	"math"
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

// Names of any bytes are kept apart: two keys are two locks and two ids two holders, in
// every operation.
func FuzzKeysAndHolders(f *testing.F) {
	megabyte := strings.Repeat("x", 1<<20)
	for _, s := range [][4]string{
		{"k", "l", "a", "b"}, {"k", "k ", "a", "a "}, {"k", "k\x00", "a\x00", "a"}, {"k\r\n", "k\n", "\r\n", "\n"},
		{"{k}", "k", "{a}", "a"}, {"k}", "{k", "}", "{"}, {"{}k", "{}", "{}", "}{"}, {"k}:a", "k", "a", "a}:a"},
		{"\xff\xfe", "\xff", "\xc3\x28", "\xc3"}, {"%s%d", "%n", "^%d+$", "1 x"}, {"7:dmutex:k", "k", "1", "1 1"},
		{megabyte, megabyte + "x", "a", "b"}, {"k", "l", megabyte, megabyte + "\x00"}, {"{x}~queue", "k", "a", "b"}, {"k~queue", "k~fence", "~queue", "x a"}, {"{k}8:k}", "k}", "a", "b"}, {"k", "l", ">1 a", "a"},
		{"{t}1", "{t}2", "2000 push:x a", "a"}, {" ", "  ", " ", "\t"}, {"k", "k:a", "a", ":a"}, {"same", "same", "same", "same"},
	} {
		f.Add(s[0], s[1], s[2], s[3])
	}
	s := redistest.Start(f)
	c := s.Client(f)
	one, other := redis.New(s.Client(f)), redis.New(s.Client(f))
	f.Fuzz(func(t *testing.T, key, key2, holder, holder2 string) {
		if key == "" || key2 == "" || holder == "" || holder2 == "" || isReserved(key) || isReserved(key2) {
			return
		}
		require.NoError(t, c.FlushAll(t.Context()).Err())
		acquire(t, one, key, holder)
		assertHolder(t, other, key, holder)
		if key2 != key {
			assertFree(t, one, key2)
			acquire(t, other, key2, holder2) // it is not in key's queue
		}
		if holder2 != holder {
			assertRefused(t, other, key, holder2)
			assertRefreshes(t, false, other, key, holder2)
			assertReleases(t, false, other, key, holder2)
			handsOver(t, one, other, key, holder, holder2)
		}
		assertRefreshes(t, true, one, key, holder)
		for range 2 {
			assertReleases(t, true, one, key, holder)
		}
		assertReleases(t, false, one, key, "not "+holder)
		if key2 != key {
			all := one.RefreshAll(t.Context(), []backing.Claim{claim(key2, holder2), claim(key, holder)})
			assert.Equal(t, []backing.Refreshed{{Held: true}, {}}, all)
			assertReleases(t, true, one, key2, holder2)
		}
		left, err := c.Keys(t.Context(), "*").Result()
		require.NoError(t, err)
		for _, k := range left {
			assert.Regexp(t, `(?s)^dmutex:\{.*(~fence|~released:.*)$`, k)
		}
		if len(left) < 10 {
			assertAllExpire(t, c)
		}
	})
}

func isReserved(key string) bool {
	return regexp.MustCompile(`(?s)^\{.*\}.*(~queue|~fence|~released:.*)$`).MatchString(key)
}

// handsOver makes holder2 wait for holder's lock, get it, and pass it back.
func handsOver(t *testing.T, one, other *redis.Backing, key, holder, holder2 string) {
	t.Helper()
	w := waiter(key, holder2)
	queues(t, other, w)
	queues(t, other, w) // and keeps its place
	assertReleases(t, true, one, key, holder)
	w.isGranted(t, other)
	assertHolder(t, one, key, holder2)
	passes(t, other, holder2, waiter(key, holder), true) // nobody else waits
	assertReleases(t, true, other, key, holder2)         // Pass has released it
	assertHolder(t, other, key, holder)
}

func holderOf(t *testing.T, c *goredis.Client) string {
	t.Helper()
	holder, err := c.Get(t.Context(), "dmutex:k").Result()
	if err != nil {
		require.ErrorIs(t, err, goredis.Nil)
	}
	return holder
}

// Whatever else has got into the queue, a waiter that asks again gets the lock when it is
// free: the server neither fails nor hangs, and no lock is reserved for a claimant that
// cannot be woken.
func FuzzQueueMembers(f *testing.F) {
	for _, member := range []string{
		"", "x", "2000 push:gone x", "2000  x", "2000 push:gone b", "2000 push:gone ", "0 push:gone x", "-1 push:gone x", "99999999999999999999 push:gone x",
		"9223372036854775807 push:gone x", "1e9 push:gone x", "2000 push:{gone} x", "2000 {", "2000 push:gone \x00\xff", "2000\npush:gone x", "x b", strings.Repeat("9", 1000) + " c h",
	} {
		for _, score := range []float64{0, -5, 1 << 52, 1e300, -1e300, math.Inf(1), math.Inf(-1)} {
			f.Add(member, score)
		}
	}
	s := redistest.Start(f)
	c := s.Client(f)
	one, other := redis.New(s.Client(f)), redis.New(s.Client(f))
	n := 0
	f.Fuzz(func(t *testing.T, member string, score float64) {
		ctx := t.Context()
		require.NoError(t, c.FlushAll(ctx).Err())
		n++
		first, second := fmt.Sprint("a", n), fmt.Sprint("b", n)
		acquire(t, one, "k", first)
		if score == score { // Redis accepts anything but NaN
			require.NoError(t, c.ZAdd(ctx, queueKey, goredis.Z{Score: score, Member: member}).Err())
		}
		w := waiter("k", second)
		queues(t, other, w)
		assertReleases(t, true, one, "k", first)
		require.Eventually(t, func() bool {
			_, granted := enqueue(t, other, w).(backing.Granted)
			return granted
		}, 20*time.Second, time.Millisecond)
		assertHolder(t, one, "k", second)
		assertReleases(t, true, other, "k", second)
		assertFree(t, one, "k")
		assertAllExpire(t, c)
	})
}
