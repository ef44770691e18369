package hazards_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
)

// foreign are values that another program may keep where a lock or what belongs to
// it would be. The members of a sorted set have the form that those of a queue have.
var foreign = map[string][]any{
	"list":   {"RPUSH", "", "a", "b"},
	"hash":   {"HSET", "", "a", "b"},
	"zset":   {"ZADD", "", 1, "1000 push:x h"},
	"set":    {"SADD", "", "a"},
	"stream": {"XADD", "", "*", "a", "b"},
}

// foreigner is the value of another program.
type foreigner struct {
	store
	name, was string
}

// put makes the key a foreign one.
func (s store) put(t *testing.T, kind, name string) foreigner {
	t.Helper()
	command := append([]any{}, foreign[kind]...)
	command[1] = name
	require.NoError(t, s.direct.Del(t.Context(), name).Err())
	require.NoError(t, s.direct.Do(t.Context(), command...).Err())
	was, err := s.direct.Dump(t.Context(), name).Result()
	require.NoError(t, err)
	return foreigner{s, name, was}
}

// assertUntouched asserts that it is there as it was, and does not expire.
func (f foreigner) assertUntouched(t *testing.T) {
	t.Helper()
	f.assertThere(t)
	assert.EqualValues(t, -1, f.direct.TTL(t.Context(), f.name).Val(), "%s expires", f.name)
}

func (f foreigner) assertThere(t *testing.T) {
	t.Helper()
	is, err := f.direct.Dump(t.Context(), f.name).Result()
	require.NoError(t, err, f.name)
	assert.Equal(t, f.was, is, f.name)
}

// eachForeign runs a test with each type in the place of each of the keys.
func eachForeign(t *testing.T, names []string, test func(t *testing.T, s store, kind, name string)) {
	t.Helper()
	for _, name := range names {
		for kind := range foreign {
			if name == queueKey && kind == "zset" {
				continue // that is what a queue is
			}
			t.Run(fmt.Sprintf("a %s at %s", kind, name), func(t *testing.T) {
				t.Parallel()
				test(t, newStore(t), kind, name)
			})
		}
	}
}

// Nobody gets such a lock, in whatever way. It fails at once, whatever its policy.
func TestHazard32_AnAcquireOfAKeyOfAnotherTypeFailsAndTouchesNothing(t *testing.T) {
	t.Parallel()
	eachForeign(t, []string{lockKey, fenceKey}, func(t *testing.T, s store, kind, name string) {
		theirs := s.put(t, kind, name)
		b := s.process(t)
		for way, acquire := range acquiring {
			_, err := acquire(newMutex(t, b, key, mutex.Config{}), func(context.Context) (effect.Void, error) {
				assert.Fail(t, "it works", way)
				return effect.Void{}, nil
			})(t.Context())
			assertWrongType(t, "tryAcquire", err)
			theirs.assertUntouched(t)
		}
		assertOnly(t, s, name)
	})
}

// Whether such a key is locked cannot be said.
func TestHazard32_AQuestionAboutAKeyOfAnotherTypeFails(t *testing.T) {
	t.Parallel()
	eachForeign(t, []string{lockKey}, func(t *testing.T, s store, kind, name string) {
		theirs := s.put(t, kind, name)
		m := newMutex(t, s.process(t), key, mutex.Config{})
		_, err := m.IsLocked(t.Context())
		assertWrongType(t, "isLocked", err)
		_, err = m.Holder(t.Context())
		assertWrongType(t, "getHolder", err)
		theirs.assertUntouched(t)
	})
}

// The key was replaced while the lock was held. The holder loses it when its lease
// ends, as far as it knows: what is there is no answer.
func TestHazard32_AHolderWhoseKeyIsReplacedLosesTheLock(t *testing.T) {
	t.Parallel()
	eachForeign(t, []string{lockKey}, func(t *testing.T, s store, kind, name string) {
		holder := contend(t, s.process(t), key, mutex.Config{TTL: 2 * time.Second, RefreshInterval: 300 * time.Millisecond})
		holder.enters(t, patience)
		theirs := s.put(t, kind, name)
		lost := lossOf(t, holder.gone(t, patience))
		assert.Equal(t, mutex.Expired, lost.Reason)
		assert.ErrorContains(t, lost.Cause, "WRONGTYPE")
		assert.True(t, backing.IsPermanent(lost))
		theirs.assertUntouched(t)
	})
}

// The same, and the release finds it so.
func TestHazard32_AReleaseOfAKeyOfAnotherTypeFailsAndTouchesNothing(t *testing.T) {
	t.Parallel()
	eachForeign(t, []string{lockKey}, func(t *testing.T, s store, kind, name string) {
		holder := contend(t, s.process(t), key, mutex.Config{TTL: long})
		holder.enters(t, patience)
		theirs := s.put(t, kind, name)
		close(holder.leave)
		assertWrongType(t, "release", holder.gone(t, patience))
		assert.Zero(t, holder.seen(mutex.Lost))
		theirs.assertUntouched(t)
	})
}

// The same for one who would pass the lock on.
func TestHazard32_AKeyOfAnotherTypeIsPassedOnToNobody(t *testing.T) {
	t.Parallel()
	eachForeign(t, []string{lockKey}, func(t *testing.T, s store, kind, name string) {
		b := s.process(t)
		holder := contend(t, b, key, mutex.Config{TTL: long})
		holder.enters(t, patience)
		next := contend(t, b, key, mutex.Config{TTL: long}) // to whom it would pass the lock
		next.waits(t)
		other := contend(t, s.process(t), key, mutex.Config{TTL: long})
		s.awaitQueue(t, 1)
		theirs := s.put(t, kind, name)
		close(holder.leave)
		assertWrongType(t, "release", holder.gone(t, patience))
		assertWrongType(t, "tryAcquire", next.gone(t, patience))
		assertWrongType(t, "tryAcquire", other.gone(t, patience)) // when it asks again
		theirs.assertUntouched(t)
	})
}

// Without a queue nobody can wait in it. A lock that is free can be had all the
// same by one who would not wait.
func TestHazard32_AQueueOfAnotherTypeIsNotWaitedIn(t *testing.T) {
	t.Parallel()
	eachForeign(t, []string{queueKey}, func(t *testing.T, s store, kind, name string) {
		theirs := s.put(t, kind, name)
		b := s.process(t)
		m := newMutex(t, b, key, mutex.Config{})
		_, err := mutex.WithLockIfAvailable(m, func(ctx context.Context) (effect.Void, error) {
			_, err := mutex.WithLock(newMutex(t, s.process(t), key, mutex.Config{}), func(context.Context) (effect.Void, error) {
				assert.Fail(t, "two are inside")
				return effect.Void{}, nil
			})(ctx)
			assertWrongType(t, "tryAcquire", err)
			return effect.Void{}, nil
		})(t.Context())
		assert.NoError(t, err, "who holds the lock needs no queue to let go")
		theirs.assertUntouched(t)
		assert.Negative(t, s.ttl(t, key))
	})
}

// The fence or the queue was replaced while the lock was held: the holder keeps it,
// lets go, and leaves what they hold alone.
func TestHazard32_AHolderNeedsNeitherFenceNorQueue(t *testing.T) {
	t.Parallel()
	eachForeign(t, []string{fenceKey, queueKey}, func(t *testing.T, s store, kind, name string) {
		b := newTries(s.process(t))
		holder := contend(t, b, key, mutex.Config{TTL: long, RefreshInterval: 300 * time.Millisecond})
		holder.enters(t, patience)
		theirs := s.put(t, kind, name)
		b.awaitSuccess(t)
		holder.letsGo(t)
		theirs.assertThere(t)
		assert.Negative(t, s.ttl(t, key))
	})
}

// Nobody else knows the name of a memory of a release, which ends with the random id of
// a client. A foreign value that is there all the same keeps nobody from the lock.
func TestHazard32_AForeignMemoryOfAReleaseKeepsNobodyOut(t *testing.T) {
	t.Parallel()
	const name = "the memory"
	eachForeign(t, []string{name}, func(t *testing.T, s store, kind, _ string) {
		b := s.process(t)
		first := contend(t, b, key, mutex.Config{TTL: long})
		first.enters(t, patience)
		first.letsGo(t)
		memories, err := s.direct.Keys(t.Context(), "dmutex:{"+lockKey+"}~released:*").Result()
		require.NoError(t, err)
		require.Len(t, memories, 1)
		for range 2 {
			s.put(t, kind, memories[0])
			holder := contend(t, b, key, mutex.Config{TTL: long, HolderID: "h"})
			holder.enters(t, patience)
			other := contend(t, s.process(t), key, mutex.Config{TTL: long})
			s.awaitQueue(t, 1)
			assertOutside(t, other)
			holder.letsGo(t)
			other.enters(t, patience)
			assert.Greater(t, other.token, holder.token)
			other.letsGo(t)
		}
	})
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

// assertOnly asserts that the server has one key.
func assertOnly(t *testing.T, s store, name string) {
	t.Helper()
	all, err := s.direct.Keys(t.Context(), "*").Result()
	require.NoError(t, err)
	assert.Equal(t, []string{name}, all)
}
