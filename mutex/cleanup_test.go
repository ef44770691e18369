package mutex_test

import (
	"context"
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

// silent is a store that answers no requests for a lock and no releases.
func silent() *store {
	s := newStore()
	s.on(hangs, "tryAcquire", "release")
	return s
}

// reluctant never answers, and returns long after its caller has left.
func reluctant(long time.Duration) fault {
	return func(ctx context.Context, r *request) error {
		defer time.Sleep(long)
		return hangs(ctx, r)
	}
}

func TestANewAcquisitionUnderTheSameHolderIDTakesTheCleanUpOver(t *testing.T) {
	each(t, acquiring, func(t *testing.T, acquire way) {
		s, r := silent(), recorder{}
		s.on(first(1, reluctant(50*time.Millisecond)), "release") // and until then it may still reach the store
		m := newMutex(t, s, mutex.Config{HolderID: "job", Observer: mutex.Observe(r.observe)})
		abandon(t, m)
		s.on(nil, "tryAcquire")
		began := time.Now()
		time.AfterFunc(50*time.Millisecond-1, func() { assert.Equal(t, 1, s.called("tryAcquire"), "it has not asked yet") })
		acquired, err := acquire(m)(t.Context())
		require.NoError(t, err)
		assert.True(t, acquired)
		assert.Equal(t, 50*time.Millisecond, time.Since(began))
		assert.Empty(t, r.of(mutex.BackingFailed), "it was not needed any more")
		s.requireFree(t)
	})
}

// Two acquisitions under one id at the same time are cleaned up at the same time.
func TestAllCleanUpsOfAClaimantAreTakenOverAndHaveNotFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.on(first(2, hangs), "tryAcquire", "release")
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
			assert.NotErrorAs(t, err, new(*mutex.MutexBackingError))
		}
		assert.Zero(t, time.Since(began))
		assert.Equal(t, 3, s.called("release"))
	})
}

func TestACleanUpIsTakenOverByItsOwnClaimantOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := silent()
		s.on(func(ctx context.Context, r *request) error {
			if r.claim.Holder == "job" && r.claim.Key == key {
				return hangs(ctx, r)
			}
			return r.send(ctx)
		}, "release")
		abandon(t, newMutex(t, s, mutex.Config{HolderID: "job"}))
		s.on(nil, "tryAcquire")
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

// stuck is a store that grants the first acquisition, but loses the reply, and whose first
// release ends only when the clean-up is taken over, and long after that.
func stuck(long time.Duration) *store {
	s := newStore()
	s.on(split(1, loses, func(context.Context, *request) error {
		return backing.NotSent(backing.Permanent(errStore))
	}), "tryAcquire")
	s.on(first(1, reluctant(long)), "release")
	return s
}

func TestAnAcquisitionThatTakesACleanUpOverAndIsNotSentCleansUp(t *testing.T) {
	each(t, acquiring, func(t *testing.T, acquire way) {
		s := stuck(0)
		m := newMutex(t, s, mutex.Config{HolderID: "job"})
		abandon(t, m)
		_, err := acquire(m)(t.Context())
		require.ErrorIs(t, err, errStore)
		awaitCleanup(t, s)
		s.requireFree(t)
		assert.Equal(t, 2, s.called("release"))
	})
}

// The caller leaves before the clean-up has ended. The next caller, which leaves as well, has
// nothing of the first to release.
func TestAnAcquisitionThatTakesACleanUpOverAndLeavesCleansUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := stuck(time.Minute)
		m := newMutex(t, s, mutex.Config{HolderID: "job"})
		abandon(t, m)
		abandon(t, m)
		synctest.Wait()
		s.requireFree(t)
		abandon(t, m)
		awaitCleanup(t, s)
		assert.Equal(t, 2, s.called("release"))
	})
}

// The store would give the lock to a place that is left in the queue, and nobody would use it.
func TestATryThatTakesACleanUpOverAndFindsTheLockTakenCleansUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newQueued()
		s.on(first(1, hangs), "release")
		s.take()
		m := newMutex(t, s, mutex.Config{HolderID: "job"})
		abandon(t, m)
		ran, err := mutex.WithLockIfAvailable(m, effect.Succeed(1))(t.Context())
		require.NoError(t, err)
		assert.True(t, option.IsNone(ran))
		awaitCleanup(t, s)
		assert.Equal(t, 2, s.called("release"))
		s.free("somebody else")
		s.requireFree(t)
	})
}

func TestAwaitCleanupWaitsForAllAndFailsOnlyWhenItsContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := silent()
		awaitCleanup(t, s)
		abandon(t, newMutex(t, s, mutex.Config{}))
		abandon(t, newMutex(t, s, mutex.Config{}))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := mutex.AwaitCleanup(s)(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)

		began := time.Now()
		awaitCleanup(t, s)
		assert.Equal(t, effect.FinalizerTimeout-cleaningUp-time.Second, time.Since(began))
		_, err = mutex.AwaitCleanup(s)(ctx)
		require.NoError(t, err, "there is nothing to wait for")
	})
}

// incomparable is a store that cannot be the key of a map.
type incomparable struct {
	backing.Backing
	_ []int
}

func TestAwaitCleanupOfWhatIsNoStoreOfAMutexHasNothingToWaitFor(t *testing.T) {
	t.Parallel()
	for _, b := range []backing.Backing{nil, incomparable{Backing: newStore()}, (*store)(nil)} {
		awaitCleanup(t, b)
	}
}
