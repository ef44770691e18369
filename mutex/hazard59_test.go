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

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
)

type hold = func(*mutex.Mutex, *effect.Scope) effect.Effect[*mutex.KeepAlive]

// holding are the ways to have the lock until a scope closes. They fail if it is not free.
var holding = map[string]hold{
	"Acquire": (*mutex.Mutex).Acquire,
	"TryAcquire": func(m *mutex.Mutex, s *effect.Scope) effect.Effect[*mutex.KeepAlive] {
		return func(ctx context.Context) (*mutex.KeepAlive, error) {
			lock, err := m.TryAcquire(s)(ctx)
			k, free := option.Unwrap(lock)
			if err == nil && !free {
				err = errors.New("not free")
			}
			return k, err
		}
	},
}

// slowly is a store whose grants take 1 ms each way, and ignore their context.
func slowly() *store {
	s := newStore()
	s.on(func(ctx context.Context, r *request) error {
		time.Sleep(time.Millisecond)
		return late(time.Millisecond)(ctx, r)
	}, "tryAcquire")
	return s
}

// slowObserver takes 2 ms for each event.
func slowObserver(mutex.Event) { time.Sleep(2 * time.Millisecond) }

func TestHazard59_WhatIsYieldedIsHeldAndWhatTimedOutIsNot(t *testing.T) {
	for how, acquire := range holding {
		for _, contended := range []bool{false, true} {
			t.Run(how, func(t *testing.T) {
				seen := map[bool]bool{}
				for d := time.Duration(0); d < 8*time.Millisecond; d += 100 * time.Microsecond {
					synctest.Test(t, func(t *testing.T) {
						s := slowly()
						if contended {
							s = newQueued() // here the holder hands the lock over
						}
						m := newMutex(t, s, mutex.Config{Observer: mutex.Observe(slowObserver)})
						if contended {
							defer join(t, locker(t, m, sleep(time.Millisecond)))
						}
						seen[isYielded(t, s, func(scope *effect.Scope) effect.Effect[*mutex.KeepAlive] {
							return effect.Timeout[*mutex.KeepAlive](d)(acquire(m, scope))
						})] = true
					})
				}
				assert.True(t, seen[false])
				assert.Equal(t, how == "Acquire" || !contended, seen[true], "TryAcquire does not wait for the holder")
			})
		}
	}
}

// isYielded acquires the lock, and checks in the open scope that the lock is held if it was
// yielded, and free if not.
func isYielded(t *testing.T, s *store, acquire func(*effect.Scope) effect.Effect[*mutex.KeepAlive]) (yielded bool) {
	t.Helper()
	_, err := effect.Scoped(func(scope *effect.Scope) effect.Effect[effect.Void] {
		return func(ctx context.Context) (v effect.Void, err error) {
			lock, err := acquire(scope)(ctx)
			yielded = lock != nil
			require.Equal(t, yielded, err == nil, "%v", err)
			if yielded {
				require.Equal(t, lock.HolderID(), s.holder(), "yielded, and not held")
				return v, nil
			}
			time.Sleep(20 * time.Millisecond) // for the holder, and the clean-up
			require.Empty(t, s.holder(), "nothing was yielded (%v), and yet the lock is held", err)
			return v, nil
		}
	})(t.Context())
	require.NoError(t, err)
	return yielded
}

func TestHazard59_WorkThatYieldedItsValueHasYieldedIt(t *testing.T) {
	for d := time.Duration(0); d < 12*time.Millisecond; d += 250 * time.Microsecond {
		for _, available := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				s := slowly()
				s.on(slow(time.Millisecond), "release")
				m := newMutex(t, s, mutex.Config{Observer: mutex.Observe(slowObserver)})
				charged := false
				charge := func(ctx context.Context) (int, error) {
					if _, err := sleep(time.Millisecond)(ctx); err != nil {
						return 0, err
					}
					charged = true
					return 42, nil
				}
				locked := mutex.WithLock(m, charge)
				if available {
					locked = effect.Map(option.GetOrElse(func() int { return 0 }))(mutex.WithLockIfAvailable(m, charge))
				}
				receipt, err := effect.Timeout[int](d)(locked)(t.Context())
				require.Equal(t, charged, err == nil, "%v: %v", d, err)
				require.Equal(t, charged, receipt == 42, d)
				if err != nil {
					requireA[*effect.TimeoutError](t, err)
				}
				s.requireFree(t)
			})
		}
	}
}

func TestHazard59_AReleaseThatFailsAfterTheWorkIsNoTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.on(fails, "release")
		work := effect.As[effect.Void](42)(sleep(999 * time.Millisecond))
		receipt, err := effect.Timeout[int](time.Second)(mutex.WithLock(newMutex(t, s, mutex.Config{}), work))(t.Context())
		assert.Equal(t, 42, receipt)
		requireFailed(t, err, "release")
		require.NotErrorAs(t, err, new(*effect.TimeoutError), "the release timed out, and not the work")
	})
}

func TestHazard59_AGrantThatComesAfterItsLeaseIsAskedForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.on(first(1, late(ttl)), "tryAcquire")
		n, err := mutex.WithLock(newMutex(t, s, mutex.Config{}), effect.As[effect.Void](42)(sleep(time.Second)))(t.Context())
		require.NoError(t, err)
		assert.Equal(t, 42, n)
		assert.Equal(t, 2, s.called("tryAcquire"))
	})
}
