package mutex_test

import (
	"context"
	"errors"
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

// Promise 5, where waiters of one line have different policies, or leave something behind.

func TestPromise5_AWaiterDoesNotWaitByThePolicyOfTheOneBeforeIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.take(t)
		slow := newMutex(t, s, mutex.Config{AcquireRetryInterval: time.Hour})
		_, err := effect.Fork(mutex.WithLock(slow, effect.Succeed(1)))(t.Context())
		require.NoError(t, err)
		synctest.Wait()
		time.AfterFunc(time.Minute, s.loseData)
		began := time.Now()
		_, err = mutex.WithLock(newMutex(t, s, mutex.Config{}), effect.Succeed(2))(t.Context())
		require.NoError(t, err)
		assert.LessOrEqual(t, time.Since(began), time.Minute+200*time.Millisecond)
	})
}

func TestPromise5_AWaiterWhoGivesUpHasTheFirstInLineAskBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.take(t)
		slow := newMutex(t, s, mutex.Config{AcquireRetryInterval: time.Hour})
		first, err := effect.Fork(mutex.WithLock(slow, effect.Succeed(1)))(t.Context())
		require.NoError(t, err)
		synctest.Wait()
		s.loseData()
		began := time.Now()
		_, err = mutex.WithLock(newMutex(t, s, mutex.Config{AcquireRetryPolicy: schedule.Stop()}), effect.Succeed(2))(t.Context())
		var refused *mutex.LockNotAcquiredError
		require.ErrorAs(t, err, &refused, "it does not overtake")
		_, err = first.Join()(t.Context())
		require.NoError(t, err)
		assert.Zero(t, time.Since(began), "the lock was free, and the first has it now")
	})
}

func TestPromise5_WhatIsFreedOnTheWayOutWakesTheLine(t *testing.T) {
	for name, first := range map[string]func(*store) effect.Effect[effect.Void]{
		"a lock that was lost": func(s *store) effect.Effect[effect.Void] {
			s.refresh = func(ctx context.Context, c backing.Claim) (bool, error) {
				_, err := s.real().Refresh(ctx, c) // applied, and the reply is lost
				return false, errors.Join(err, errStore)
			}
			return sleep(time.Hour)
		},
		"an acquire that was cancelled": func(s *store) effect.Effect[effect.Void] {
			s.tryAcquire = func(ctx context.Context, c backing.Claim) (option.Option[backing.Grant], error) {
				grant, err := s.real().TryAcquire(ctx, c)
				if s.called("tryAcquire") == 1 {
					return option.None[backing.Grant](), hang(ctx)
				}
				return grant, err
			}
			return effect.Succeed(effect.Void{})
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStore()
				work := first(s)
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if name == "a lock that was lost" {
					ctx = t.Context()
				}
				_, err := effect.Fork(mutex.WithLock(newMutex(t, s, mutex.Config{}), work))(ctx)
				require.NoError(t, err)
				synctest.Wait()
				began := time.Now()
				_, err = mutex.WithLock(newMutex(t, s, mutex.Config{AcquireRetryInterval: time.Hour}), effect.Succeed(1))(t.Context())
				require.NoError(t, err)
				assert.Less(t, time.Since(began), time.Minute)
			})
		})
	}
}
