package hazards_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/mutex"
)

// foreign are values that another program may keep under the keys of a lock. The member of
// the sorted set has the form of one in a queue.
var foreign = map[string][]any{
	"list":   {"RPUSH", "", "a", "b"},
	"hash":   {"HSET", "", "a", "b"},
	"zset":   {"ZADD", "", 1, "1000 push:x h"},
	"set":    {"SADD", "", "a"},
	"stream": {"XADD", "", "*", "a", "b"},
}

// put stores a foreign value under the key, and returns a function that asserts it is unchanged.
func (s store) put(kind, name string) (assertUntouched func()) {
	s.t.Helper()
	command := append([]any{}, foreign[kind]...)
	command[1] = name
	require.NoError(s.t, s.direct.Del(s.t.Context(), name).Err())
	require.NoError(s.t, s.direct.Do(s.t.Context(), command...).Err())
	was, err := s.direct.Dump(s.t.Context(), name).Result()
	require.NoError(s.t, err)
	return func() {
		s.t.Helper()
		is, err := s.direct.Dump(s.t.Context(), name).Result()
		require.NoError(s.t, err, name)
		assert.Equal(s.t, was, is, name)
	}
}

func assertWrongType(t *testing.T, operation string, err error) {
	t.Helper()
	var failed *mutex.MutexBackingError
	require.ErrorAs(t, err, &failed)
	assert.Equal(t, operation, failed.Operation)
	assert.ErrorContains(t, failed.Cause, "WRONGTYPE")
	assert.True(t, backing.IsPermanent(err))
	var taken *mutex.LockNotAcquiredError
	assert.NotErrorAs(t, err, &taken)
}

// Nobody gets such a lock in any way, and the store cannot say whether it is locked. An acquire
// fails at once, whatever the policy. If the key is replaced while the lock is held, the holder
// loses it when its lease ends by its own clock, or its release fails, and the lock is passed on
// to nobody.
func TestHazard32_AKeyOfAnotherTypeIsAnErrorAndUntouched(t *testing.T) {
	t.Parallel()
	for kind := range foreign {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s := sharedStore(t)
			b, free, lost := s.process(), s.key+"free", s.key+"lost"
			loser := s.holdKey(lost, b, mutex.Config{TTL: lease / 2, RefreshInterval: short})
			holder := s.hold(b)
			next := s.wait(b) // the holder would pass the lock to it
			other := s.rival()
			freeIsUntouched, lostIsUntouched, heldIsUntouched := s.put(kind, lockKey(free)), s.put(kind, lockKey(lost)), s.put(kind, lockKey(s.key))

			names := map[string]string{"IsLocked": "isLocked", "Holder": "getHolder"}
			for way, operation := range operations(neverRuns(t)) {
				name, asks := names[way]
				if !asks {
					name = "tryAcquire"
				}
				_, err := operation(newMutex(t, b, free, mutex.Config{}))(t.Context())
				assertWrongType(t, name, err)
			}
			loser.loses(mutex.Expired)
			assert.ErrorContains(t, loser.loss.Cause, "WRONGTYPE")
			assert.True(t, backing.IsPermanent(loser.loss))
			close(holder.leave)
			assertWrongType(t, "release", holder.gone())
			assert.Zero(t, holder.seen(mutex.Lost))
			assertWrongType(t, "tryAcquire", next.gone())
			assertWrongType(t, "tryAcquire", other.gone()) // when it asks again
			freeIsUntouched()
			lostIsUntouched()
			heldIsUntouched()
		})
	}
}

// Without a queue nobody can wait in it, and without a fence nobody gets a lock. A holder needs
// neither to keep its lock and release it.
func TestHazard32_AFenceOrQueueOfAnotherTypeIsAnErrorAndUntouched(t *testing.T) {
	t.Parallel()
	for _, where := range []string{"fence", "queue"} {
		for kind := range foreign {
			if where == "queue" && kind == "zset" {
				continue // that is what a queue is
			}
			t.Run(fmt.Sprintf("a %s for the %s", kind, where), func(t *testing.T) {
				t.Parallel()
				s := newStore(t)
				name := map[string]string{"fence": fenceKey, "queue": queueKey(s.key)}[where]
				b := spyOn(t, s.process())
				holder := s.hold(b, mutex.Config{TTL: long, RefreshInterval: short / 2})
				isUntouched := s.put(kind, name)
				b.refreshes()
				if where == "queue" {
					_, err := mutex.WithLock(newMutex(t, s.process(), s.key, mutex.Config{}), neverRuns(t))(t.Context())
					assertWrongType(t, "tryAcquire", err)
				}
				holder.letsGo()
				_, err := mutex.WithLockIfAvailable(newMutex(t, b, s.key, mutex.Config{}), nothing)(t.Context())
				if where == "queue" {
					assert.NoError(t, err, "it would not wait")
				} else {
					assertWrongType(t, "tryAcquire", err)
				}
				isUntouched()
				assert.Empty(t, s.holderOf(s.key))
			})
		}
	}
}

// Nobody else knows the name of the memory of a release, which ends with the random id of a
// client. Even so, a foreign value there keeps nobody from the lock.
func TestHazard32_AForeignMemoryOfAReleaseKeepsNobodyOut(t *testing.T) {
	t.Parallel()
	for kind := range foreign {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s := sharedStore(t)
			b := s.process()
			s.hold(b).letsGo()
			memories := s.keys("dmutex:{" + lockKey(s.key) + "}~released:*")
			require.Len(t, memories, 1)
			s.put(kind, memories[0])
			holder := s.hold(b)
			other := s.rival()
			holder.letsGo()
			other.takesTurn()
		})
	}
}

// A server that may evict keys with an expiry evicts locks. The holder finds out at its next
// refresh, and whoever comes next has a higher token, even if the last token is evicted with
// the lock. That has no expiry, so not every policy evicts it.
func TestHazard35_AnEvictedLockIsLostAtTheNextRefresh(t *testing.T) {
	t.Parallel()
	for policy, all := range map[string]bool{"allkeys-lru": true, "volatile-ttl": false} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			s := newStore(t)
			holder := s.hold(s.process(), mutex.Config{TTL: long, RefreshInterval: short})
			evicted := []string{lockKey(s.key)}
			if all {
				evicted = append(evicted, fenceKey)
			}
			s.evict(policy, evicted...)
			holder.loses(mutex.Gone)
			assert.Empty(t, s.holderOf(s.key), "the key was made again")
			assert.Equal(t, all, s.direct.Exists(t.Context(), fenceKey).Val() == 0)
			s.hold(s.process()).letsGo()
		})
	}
}

// evict writes until the server has evicted the keys, and then gives it memory. What it
// writes expires later than they do, so that they are evicted first.
func (s store) evict(policy string, keys ...string) {
	s.t.Helper()
	ctx := s.t.Context()
	s.Configure("maxmemory-policy", policy)
	s.Configure("maxmemory", strconv.Itoa(s.stat("memory", "used_memory", "")+1<<20))
	n := 0
	eventually(s.t, func() bool {
		pipe := s.direct.Pipeline()
		for range 20 {
			n++
			pipe.Set(ctx, fmt.Sprint("filler:", n), strings.Repeat("x", 20_000), 24*time.Hour)
		}
		_, err := pipe.Exec(ctx)
		require.NoError(s.t, err)
		return s.direct.Exists(ctx, keys...).Val() == 0
	}, "%v are evicted", keys)
	assert.Positive(s.t, s.stat("stats", "evicted_keys", ""))
	s.Configure("maxmemory", "0")
}
