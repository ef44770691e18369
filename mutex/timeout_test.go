package mutex_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
)

const patience = 2 * time.Second

// A store that does not answer is told from a lock that is held.
func TestAnAcquisitionEndsWithItsTimeout(t *testing.T) {
	type ending struct {
		prepare func(t *testing.T, s *store)
		kind    mutex.Kind
		cause   error
	}
	for name, c := range map[string]ending{
		"another holder has the lock": {func(t *testing.T, s *store) { require.True(t, s.grant("another", ttl)) }, mutex.KindNotAcquired, nil},
		"another waiter comes first": {func(t *testing.T, s *store) {
			require.True(t, s.grant("another", ttl))
			locker(t, newMutex(t, s, mutex.Config{}), sleep(0))
		}, mutex.KindNotAcquired, nil},
		"the store fails":          {func(_ *testing.T, s *store) { s.on(fails, "tryAcquire", "enqueue") }, mutex.KindStore, errStore},
		"the store does not reply": {func(_ *testing.T, s *store) { s.on(hangs, "tryAcquire", "enqueue") }, mutex.KindStore, nil},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, stores, func(t *testing.T, fresh func() *store) {
				s := fresh()
				c.prepare(t, s)
				start := time.Now()
				err := newMutex(t, s, mutex.Config{AcquireTimeout: patience}).Do(t.Context(), func(context.Context) error {
					assert.Fail(t, "it ran")
					return nil
				})
				assert.Equal(t, c.kind, mutex.KindOf(err), "%v", err)
				assert.InDelta(t, patience, time.Since(start), float64(200*time.Millisecond))
				if c.cause != nil {
					require.ErrorIs(t, err, c.cause)
				}
				require.NotErrorIs(t, err, context.DeadlineExceeded, "that would be the caller's")
				if c.kind == mutex.KindStore {
					requireFailed(t, err, mutex.OperationTryAcquire)
				}
			})
		})
	}
}

// A waiter that polls finds out that the store fails by now, one that is queued does not ask.
func TestATimeoutNamesTheLastFailureOfTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		require.True(t, s.grant("another", ttl))
		time.AfterFunc(patience/2, func() { s.on(fails, "tryAcquire") })
		err := newMutex(t, s, mutex.Config{AcquireTimeout: patience}).Do(t.Context(), func(context.Context) error { return nil })
		requireFailed(t, err, mutex.OperationTryAcquire)
		require.ErrorIs(t, err, errStore)
	})
}

func TestATimeoutTellsAStoreThatStopsAnsweringFromASlowOne(t *testing.T) {
	each(t, map[string]struct {
		delay time.Duration
		kind  mutex.Kind
	}{
		"slow":   {60 * time.Millisecond, mutex.KindNotAcquired},
		"frozen": {time.Hour, mutex.KindStore},
	}, func(t *testing.T, c struct {
		delay time.Duration
		kind  mutex.Kind
	}) {
		s := newStore()
		require.True(t, s.grant("another", ttl))
		time.AfterFunc(patience/2, func() {
			s.on(func(ctx context.Context, r *request) error {
				if _, err := effect.Sleep(c.delay)(ctx); err != nil {
					return err
				}
				return r.send(ctx)
			}, "tryAcquire")
		})
		err := newMutex(t, s, mutex.Config{AcquireTimeout: patience}).Do(t.Context(), func(context.Context) error { return nil })
		assert.Equal(t, c.kind, mutex.KindOf(err), "%v", err)
	})
}

func TestATryEndsWithItsTimeoutIfTheStoreDoesNotReply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.on(hangs, "tryAcquire")
		start := time.Now()
		ran, err := newMutex(t, s, mutex.Config{AcquireTimeout: patience}).TryDo(t.Context(), func(context.Context) error { return nil })
		assert.False(t, ran)
		requireFailed(t, err, mutex.OperationTryAcquire)
		assert.InDelta(t, patience, time.Since(start), float64(200*time.Millisecond))
	})
}

// Nobody else has the lock: an answer that comes too late is no better than none.
func TestALockThatIsGrantedTooLateIsNotHeldByAnother(t *testing.T) {
	each(t, acquiring, func(t *testing.T, acquire way) {
		s := newStore()
		s.on(late(2*patience), "tryAcquire")
		_, err := acquire(newMutex(t, s, mutex.Config{AcquireTimeout: patience}))(t.Context())
		requireFailed(t, err, mutex.OperationTryAcquire)
		s.requireFree(t)
	})
}

func TestATimeoutBoundsTheEndOfAnEarlierCleanUp(t *testing.T) {
	each(t, acquiring, func(t *testing.T, acquire way) {
		s := newStore()
		s.on(hangs, "tryAcquire")
		s.on(late(2*patience), "release")
		acquiring := acquire(newMutex(t, s, mutex.Config{AcquireTimeout: patience, HolderID: "job"}))
		for range 2 {
			_, err := acquiring(t.Context())
			requireFailed(t, err, mutex.OperationTryAcquire)
		}
		assert.Equal(t, 1, s.called("tryAcquire"), "the second acquisition waited for the clean-up of the first")
	})
}

func TestATimeoutEndsTheWaitAndNotTheWork(t *testing.T) {
	each(t, stores, func(t *testing.T, fresh func() *store) {
		m := newMutex(t, fresh(), mutex.Config{AcquireTimeout: patience})
		first := locker(t, m, sleep(patience/2))
		_, err := mutex.WithLock(m, sleep(10*patience))(t.Context())
		require.NoError(t, err)
		join(t, first)
	})
}

// The deadline of the caller is not the mutex's.
func TestACallersDeadlineComesBeforeTheTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		require.True(t, s.grant("another", ttl))
		ctx, cancel := context.WithTimeout(t.Context(), patience/2)
		defer cancel()
		err := newMutex(t, s, mutex.Config{AcquireTimeout: patience}).Do(ctx, func(context.Context) error { return nil })
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, mutex.KindCanceled, mutex.KindOf(err))
	})
}

// Whether the request was applied is not known, and the clean-up failed: the caller gets both.
func TestATimeoutHoldsTheFailureOfItsCleanUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.on(hangs, "tryAcquire")
		s.on(permanently, "release")
		err := newMutex(t, s, mutex.Config{AcquireTimeout: patience}).Do(t.Context(), func(context.Context) error { return nil })
		var operations []string
		for _, failure := range effect.Failures(err) {
			if failed, ok := errors.AsType[*mutex.MutexBackingError](failure); ok {
				operations = append(operations, failed.Operation)
			}
		}
		assert.Equal(t, []string{mutex.OperationTryAcquire, mutex.OperationRelease}, operations)
	})
}
