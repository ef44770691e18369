package mutex_test

import (
	"context"
	"errors"
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
	"github.com/effectlock/effectlock/schedule"
)

// Promise 8: while waiting for a lock, a caller's deadline is kept.

// cleaningUp is how long a caller waits for the clean-up.
const cleaningUp = 50 * time.Millisecond

// never is a store that answers no request for a lock, and no release.
func never() *store {
	s := newStore()
	s.tryAcquire = func(ctx context.Context, _ backing.Claim) (option.Option[backing.Grant], error) {
		return option.None[backing.Grant](), hang(ctx)
	}
	s.release = func(ctx context.Context, _, _ string) (bool, error) { return false, hang(ctx) }
	return s
}

// refusing is a store that no request reaches.
func refusing() *store {
	s := newStore()
	s.tryAcquire = func(context.Context, backing.Claim) (option.Option[backing.Grant], error) {
		return option.None[backing.Grant](), backing.NotSent(errStore)
	}
	return s
}

func TestPromise8_ACallersDeadlineIsKeptThoughTheStoreNeverAnswers(t *testing.T) {
	eachWayToAcquire(t, func(t *testing.T, acquire func(*mutex.Mutex) effect.Effect[bool]) {
		for _, limit := range []time.Duration{25 * time.Millisecond, time.Second, 7 * time.Second} {
			s := never()
			m := newMutex(t, s, mutex.Config{})
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			began := time.Now()
			_, err := acquire(m)(ctx)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.Equal(t, limit+cleaningUp, time.Since(began))
			awaitCleanup(t, s)
			require.Equal(t, limit+effect.FinalizerTimeout, time.Since(began), "in the background")
			require.Positive(t, s.called("release"))
		}
	})
}

func TestPromise8_APolicyThatEndsIsKeptThoughTheStoreNeverAnswers(t *testing.T) {
	eachWayToAcquire(t, func(t *testing.T, acquire func(*mutex.Mutex) effect.Effect[bool]) {
		m := newMutex(t, never(), mutex.Config{BackingFailureRetryPolicy: schedule.Stop()})
		began := time.Now()
		_, err := acquire(m)(t.Context())
		var failed *mutex.MutexBackingError
		require.ErrorAs(t, err, &failed)
		require.Equal(t, "tryAcquire", failed.Operation)
		require.Equal(t, 2*time.Second+cleaningUp, time.Since(began), "one request has 2 s")
	})
}

func TestPromise8_ACleanUpThatFailsSoonIsPartOfTheError(t *testing.T) {
	eachWayToAcquire(t, func(t *testing.T, acquire func(*mutex.Mutex) effect.Effect[bool]) {
		s := never()
		s.release = func(context.Context, string, string) (bool, error) { return false, errStore }
		var events atomic.Int32
		m := newMutex(t, s, mutex.Config{BackingFailureRetryPolicy: schedule.Stop(), Observer: func(e mutex.Event) {
			if e.Kind == mutex.BackingFailed {
				events.Add(1)
			}
		}})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		_, err := acquire(m)(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, errStore)
		var failed *mutex.MutexBackingError
		require.ErrorAs(t, err, &failed)
		require.Equal(t, "release", failed.Operation)
		require.Equal(t, time.Second, time.Since(began))
		require.EqualValues(t, 1, events.Load())
	})
}

func TestPromise8_ACleanUpThatSucceedsLaterFreesTheLock(t *testing.T) {
	eachWayToAcquire(t, func(t *testing.T, acquire func(*mutex.Mutex) effect.Effect[bool]) {
		s := newStore()
		s.tryAcquire = func(ctx context.Context, c backing.Claim) (option.Option[backing.Grant], error) {
			_, err := s.real().TryAcquire(ctx, c)
			require.NoError(t, err)
			return option.None[backing.Grant](), hang(ctx)
		}
		s.release = func(ctx context.Context, key, holder string) (bool, error) {
			time.Sleep(time.Second)
			return s.real().Release(ctx, key, holder)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		_, err := acquire(newMutex(t, s, mutex.Config{}))(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Second+cleaningUp, time.Since(began))
		awaitCleanup(t, s)
		require.Equal(t, 2*time.Second, time.Since(began))
		s.requireFree(t)
	})
}

func TestPromise8_WhatNoRequestHasReachedIsNotCleanedUp(t *testing.T) {
	eachWayToAcquire(t, func(t *testing.T, acquire func(*mutex.Mutex) effect.Effect[bool]) {
		s := refusing()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		began := time.Now()
		_, err := acquire(newMutex(t, s, mutex.Config{}))(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		var failed *mutex.MutexBackingError
		require.ErrorAs(t, err, &failed, "why it did not work")
		require.Equal(t, 2*time.Second, time.Since(began))
		require.Zero(t, s.called("release"))

		_, err = acquire(newMutex(t, s, mutex.Config{BackingFailureRetryPolicy: schedule.Stop()}))(t.Context())
		require.ErrorIs(t, err, errStore)
		require.Equal(t, 2*time.Second, time.Since(began), "at once")
		require.Zero(t, s.called("release"))
	})
}

func TestPromise8_OneRequestThatMayHaveArrivedIsCleanedUp(t *testing.T) {
	for name, which := range map[string]int{"the first": 1, "the last": 3} {
		t.Run(name, func(t *testing.T) {
			eachWayToAcquire(t, func(t *testing.T, acquire func(*mutex.Mutex) effect.Effect[bool]) {
				s := newStore()
				s.tryAcquire = func(ctx context.Context, c backing.Claim) (option.Option[backing.Grant], error) {
					if s.called("tryAcquire") != which {
						return option.None[backing.Grant](), backing.NotSent(errStore)
					}
					_, err := s.real().TryAcquire(ctx, c)
					return option.None[backing.Grant](), errors.Join(errStore, err)
				}
				m := newMutex(t, s, mutex.Config{BackingFailureRetryPolicy: schedule.Recurs(2)})
				_, err := acquire(m)(t.Context())
				require.ErrorIs(t, err, errStore)
				require.Equal(t, 3, s.called("tryAcquire"))
				require.Equal(t, 1, s.called("release"))
				s.requireFree(t)
			})
		})
	}
}

func TestPromise8_AWaiterInTheQueueIsTakenOutThoughItsNextRequestIsNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newQueued()
		s.take(t)
		setHook(s, &s.enqueue, func(ctx context.Context, w backing.Waiter) (backing.Outcome, error) {
			if s.called("enqueue") > 1 {
				return nil, backing.NotSent(errStore)
			}
			outcome, err := s.real().Enqueue(ctx, w)
			if queued, ok := outcome.(backing.Queued); ok {
				queued.AskAgain = time.Second
				outcome = queued
			}
			return outcome, err
		})
		_, err := mutex.WithLock(newMutex(t, s, mutex.Config{BackingFailureRetryPolicy: schedule.Stop()}), effect.Succeed(1))(t.Context())
		require.ErrorIs(t, err, errStore)
		require.Equal(t, 2, s.called("enqueue"))
		require.Equal(t, 1, s.called("release"))
	})
}

func TestPromise8_TheNextInLineAsksWhileAnotherIsCleanedUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.tryAcquire = func(ctx context.Context, c backing.Claim) (option.Option[backing.Grant], error) {
			if s.called("tryAcquire") == 1 {
				return option.None[backing.Grant](), hang(ctx)
			}
			return s.real().TryAcquire(ctx, c)
		}
		s.release = func(ctx context.Context, key, holder string) (bool, error) {
			if s.called("release") == 1 {
				return false, hang(ctx)
			}
			return s.real().Release(ctx, key, holder)
		}
		m := newMutex(t, s, mutex.Config{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		_, err := mutex.WithLock(m, effect.Succeed(1))(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		join(t, locker(t, m, sleep(0)))
		assert.Equal(t, time.Second+cleaningUp, time.Since(began))
	})
}

func TestPromise8_AHolderIsNotKeptByTheCleanUpOfAWaiterThatHasLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newQueued()
		m := newMutex(t, s, mutex.Config{BackingFailureRetryPolicy: schedule.Stop()})
		holder := locker(t, m, sleep(time.Second))
		arrived()
		leave, _ := leaver(t, m)
		arrived()
		setHook(s, &s.pass, func(context.Context, backing.Claim, backing.Waiter, bool) (backing.Outcome, error) {
			setHook(s, &s.releaseClaim, func(ctx context.Context, _ backing.Claim) (backing.Released, error) {
				return backing.NotHeld, hang(ctx)
			})
			leave()
			return nil, errStore
		})
		began := time.Now()
		_, err := holder.Join()(t.Context())
		require.ErrorIs(t, err, errStore)
		assert.Less(t, time.Since(began), time.Second+cleaningUp)
		awaitCleanup(t, s)
		assert.Positive(t, s.called("release"))
	})
}
