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

func TestAWaiterHasTheLockWhenTheLeaseOfACrashedHolderEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newQueued()
		grant, err := s.real().TryAcquire(t.Context(), backing.Claim{Key: key, Holder: "crashed", TTL: 20 * time.Second})
		require.NoError(t, err)
		require.True(t, option.IsSome(grant))
		began := time.Now()
		join(t, locker(t, newMutex(t, s, mutex.Config{}), sleep(0)))
		assert.Equal(t, 20*time.Second, time.Since(began))
		assert.Equal(t, 2, s.called("enqueue"), "it did not poll")
	})
}

func TestABoundedPolicyEndsAlsoWhileTheStoreQueues(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newQueued()
		s.take(t)
		began := time.Now()
		m := newMutex(t, s, mutex.Config{AcquireRetryPolicy: schedule.Spaced(100 * time.Millisecond).UpTo(time.Second)})
		_, err := mutex.WithLock(m, effect.Succeed(1))(t.Context())
		var refused *mutex.LockNotAcquiredError
		require.ErrorAs(t, err, &refused)
		assert.Equal(t, time.Second, time.Since(began))
		assert.Equal(t, 1, s.called("enqueue"), "the policy says when to give up, not when to ask")
		assert.Equal(t, 1, s.called("release"), "it leaves the queue")
	})
}

// polled is the outcome for one who asks a store that does not queue it.
func polled(ctx context.Context, s *queued, c backing.Claim, why error) (backing.Outcome, error) {
	g, err := s.real().TryAcquire(ctx, c)
	if grant, granted := option.Unwrap(g); granted {
		return backing.Granted{Grant: grant}, err
	}
	return backing.MustPoll{Why: why}, err
}

func TestAStoreThatQueuesNobodyIsPolledAndTheObserverTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newQueued()
		s.take(t)
		errDeaf := errors.New("deaf")
		began := time.Now()
		setHook(s, &s.enqueue, func(ctx context.Context, w backing.Waiter) (backing.Outcome, error) {
			if time.Since(began) > 10*time.Second {
				return s.real().Enqueue(ctx, w)
			}
			return polled(ctx, s, w.Claim, errDeaf)
		})
		var polling []mutex.Event
		m := newMutex(t, s, mutex.Config{Observer: func(e mutex.Event) {
			if e.Kind == mutex.Polling {
				polling = append(polling, e)
			}
		}})
		waiter := locker(t, m, sleep(0))
		time.Sleep(time.Minute)
		assert.Equal(t, 101+2, s.called("enqueue"), "every 100 ms for 10 s, and then in the queue, where it shows after 30 s that it lives")
		require.Len(t, polling, 1)
		assert.Equal(t, errDeaf, polling[0].Err)
		_, err := s.real().Release(t.Context(), key, "somebody else")
		require.NoError(t, err)
		join(t, waiter)
	})
}

func TestAWaiterAsksAgainWhenTheStoreSaysSo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newQueued()
		s.take(t)
		wake := make(chan func(), 2)
		setHook(s, &s.enqueue, func(ctx context.Context, w backing.Waiter) (backing.Outcome, error) {
			wake <- w.Wake
			return s.real().Enqueue(ctx, w)
		})
		waiter := locker(t, newMutex(t, s, mutex.Config{}), sleep(0))
		arrived()
		s.loseData()
		(<-wake)()
		arrived()
		assert.Equal(t, 2, s.called("enqueue"))
		join(t, waiter)
	})
}

// In a store that cannot tell, a process that always has a waiter of its own
// leaves the lock free from time to time, for long enough that a poll finds it.
func TestAProcessThatPollsHasItsTurnBesideABusyOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		busy := newQueued()
		patient := busy.anotherProcess()
		for _, s := range []*queued{busy, patient} {
			setHook(s, &s.enqueue, func(ctx context.Context, w backing.Waiter) (backing.Outcome, error) {
				return polled(ctx, s, w.Claim, nil)
			})
			setHook(s, &s.pass, func(ctx context.Context, from backing.Claim, next backing.Waiter, yield bool) (backing.Outcome, error) {
				if !yield {
					return s.real().Pass(ctx, from, next, false)
				}
				if had, err := s.real().Release(ctx, key, from.Holder); err != nil || !had {
					return backing.Refused{}, err
				}
				return backing.MustPoll{}, nil
			})
		}
		ctx, stop := context.WithCancel(t.Context())
		var sections atomic.Int64
		for range 3 {
			m := newMutex(t, busy, mutex.Config{})
			_, err := effect.Fork(func(ctx context.Context) (none effect.Void, err error) {
				for err == nil {
					_, err = mutex.WithLock(m, func(ctx context.Context) (effect.Void, error) {
						sections.Add(1)
						return effect.Sleep(10 * time.Millisecond)(ctx)
					})(ctx)
				}
				return none, err
			})(ctx)
			require.NoError(t, err)
		}
		m := newMutex(t, patient, mutex.Config{})
		var longest time.Duration
		for range 20 {
			time.Sleep(3 * time.Millisecond)
			began := time.Now()
			_, err := mutex.WithLock(m, sleep(0))(t.Context())
			require.NoError(t, err)
			longest = max(longest, time.Since(began))
		}
		assert.Less(t, longest, 1100*time.Millisecond, "8 intervals, the last section, a rest of one and a quarter")
		time.Sleep(10 * time.Second)
		before := sections.Load()
		time.Sleep(10 * time.Second)
		assert.Greater(t, sections.Load()-before, int64(800), "of a thousand: to rest costs little")
		stop()
	})
}

// Two who share an id come while the first of them is still asking.
func TestAHolderIDIsNotKeptFromItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newQueued()
		setHook(s, &s.enqueue, func(ctx context.Context, w backing.Waiter) (backing.Outcome, error) {
			time.Sleep(10 * time.Millisecond)
			return s.real().Enqueue(ctx, w)
		})
		m := newMutex(t, s, mutex.Config{HolderID: "job"})
		inside := time.Now()
		first := locker(t, m, sleep(time.Hour))
		second := locker(t, m, func(context.Context) (effect.Void, error) {
			assert.Less(t, time.Since(inside), time.Second)
			return effect.Void{}, nil
		})
		join(t, second)
		_, _ = first.Interrupt()(t.Context())
	})
}
