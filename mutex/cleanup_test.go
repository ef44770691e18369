package mutex_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/IBM/fp-go/v2/option"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
)

// abandon is an acquisition of a caller that leaves after a second.
func abandon(t *testing.T, m *mutex.Mutex) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := mutex.WithLock(m, effect.Succeed(1))(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestANewAcquisitionUnderTheSameHolderIDTakesTheCleanUpOver(t *testing.T) {
	eachWayToAcquire(t, func(t *testing.T, acquire func(*mutex.Mutex) effect.Effect[bool]) {
		s := never()
		var returned atomic.Bool
		s.release = func(ctx context.Context, key, holder string) (bool, error) {
			if s.called("release") > 1 {
				return s.real().Release(ctx, key, holder)
			}
			err := hang(ctx)
			time.Sleep(50 * time.Millisecond) // and until then it may still reach the store
			returned.Store(true)
			return false, err
		}
		var failed atomic.Int32
		m := newMutex(t, s, mutex.Config{HolderID: "job", Observer: func(e mutex.Event) {
			if e.Kind == mutex.BackingFailed {
				failed.Add(1)
			}
		}})
		abandon(t, m)
		s.tryAcquire = nil
		began := time.Now()
		done := make(chan struct{})
		go func() {
			defer close(done)
			acquired, err := acquire(m)(t.Context())
			assert.NoError(t, err)
			assert.True(t, acquired)
		}()
		time.Sleep(50*time.Millisecond - time.Nanosecond)
		assert.False(t, returned.Load())
		assert.Equal(t, 1, s.called("tryAcquire"), "it has not asked yet")
		<-done
		assert.True(t, returned.Load())
		assert.Equal(t, 50*time.Millisecond, time.Since(began))
		assert.Zero(t, failed.Load(), "nothing has failed: it was not needed any more")
		s.requireFree(t)
	})
}

// Two that were made under one id at the same time are cleaned up at the same time.
func TestAllCleanUpsOfAClaimantAreTakenOverAndHaveNotFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.tryAcquire = func(ctx context.Context, c backing.Claim) (option.Option[backing.Grant], error) {
			if s.called("tryAcquire") <= 2 {
				return option.None[backing.Grant](), hang(ctx)
			}
			return s.real().TryAcquire(ctx, c)
		}
		s.release = func(ctx context.Context, key, holder string) (bool, error) {
			if s.called("release") <= 2 {
				return false, hang(ctx)
			}
			return s.real().Release(ctx, key, holder)
		}
		m := newMutex(t, s, mutex.Config{HolderID: "job"})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		errs := make(chan error, 2)
		for range cap(errs) {
			go func() {
				_, err := mutex.WithLockIfAvailable(m, effect.Succeed(1))(ctx)
				errs <- err
			}()
		}
		time.Sleep(time.Second + cleaningUp/2)
		began := time.Now()
		_, err := mutex.WithLock(m, effect.Succeed(1))(t.Context())
		require.NoError(t, err)
		for range cap(errs) {
			err := <-errs
			require.ErrorIs(t, err, context.DeadlineExceeded)
			var failed *mutex.MutexBackingError
			assert.NotErrorAs(t, err, &failed)
		}
		assert.Zero(t, time.Since(began))
		assert.Equal(t, 3, s.called("release"))
	})
}

// Whoever takes a clean-up over waits for it no longer than its own caller does.
func TestACallerThatTakesACleanUpOverKeepsItsDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := never()
		s.release = func(ctx context.Context, _, _ string) (bool, error) {
			time.Sleep(time.Minute) // the store ignores the end of its context
			return false, ctx.Err()
		}
		m := newMutex(t, s, mutex.Config{HolderID: "job"})
		abandon(t, m)
		began := time.Now()
		abandon(t, m)
		assert.Equal(t, time.Second, time.Since(began))
		assert.Equal(t, 1, s.called("tryAcquire"))
	})
}

func TestACleanUpIsTakenOverByItsOwnClaimantOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const lockKey = key
		s := never()
		s.release = func(ctx context.Context, key, holder string) (bool, error) {
			if holder == "job" && key == lockKey {
				return false, hang(ctx)
			}
			return s.real().Release(ctx, key, holder)
		}
		abandon(t, newMutex(t, s, mutex.Config{HolderID: "job"}))
		s.tryAcquire = nil
		began := time.Now()
		for _, m := range []*mutex.Mutex{
			newMutex(t, s, mutex.Config{}),
			newMutex(t, s, mutex.Config{HolderID: "another job"}),
			newMutexOf(t, s, "another key", mutex.Config{HolderID: "job"}),
		} {
			_, err := mutex.WithLock(m, effect.Succeed(1))(t.Context())
			require.NoError(t, err)
		}
		assert.Zero(t, time.Since(began))
		awaitCleanup(t, s)
		assert.Equal(t, effect.FinalizerTimeout-cleaningUp, time.Since(began), "the first one's goes on")
	})
}

func newMutexOf(t *testing.T, b backing.Backing, key string, c mutex.Config) *mutex.Mutex {
	t.Helper()
	m, err := mutex.New(b, key, c)
	require.NoError(t, err)
	return m
}

func TestAwaitCleanupWaitsForAllAndFailsOnlyWhenItsContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := never()
		_, err := mutex.AwaitCleanup(s)(t.Context())
		require.NoError(t, err)
		abandon(t, newMutex(t, s, mutex.Config{}))
		abandon(t, newMutex(t, s, mutex.Config{}))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = mutex.AwaitCleanup(s)(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)

		began := time.Now()
		awaitCleanup(t, s)
		assert.Equal(t, effect.FinalizerTimeout-cleaningUp-time.Second, time.Since(began))
		_, err = mutex.AwaitCleanup(s)(ctx)
		require.NoError(t, err, "there is nothing to wait for")
	})
}

// uncomparable is a store that cannot be the key of a map.
type uncomparable struct {
	backing.Backing
	_ []int
}

func TestAwaitCleanupOfWhatIsNoStoreOfAMutexHasNothingToWaitFor(t *testing.T) {
	t.Parallel()
	for _, b := range []backing.Backing{nil, uncomparable{Backing: newStore()}, (*store)(nil)} {
		_, err := mutex.AwaitCleanup(b)(t.Context())
		require.NoError(t, err)
	}
}
