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

type bound = func(time.Duration) effect.Operator[*mutex.KeepAlive, *mutex.KeepAlive]

// bounds are the ways to give up an acquire.
var bounds = map[string]bound{
	"Timeout": effect.Timeout[*mutex.KeepAlive],
	"a deadline": func(d time.Duration) effect.Operator[*mutex.KeepAlive, *mutex.KeepAlive] {
		return func(eff effect.Effect[*mutex.KeepAlive]) effect.Effect[*mutex.KeepAlive] {
			return func(ctx context.Context) (*mutex.KeepAlive, error) {
				brief, cancel := context.WithTimeout(ctx, d)
				defer cancel()
				return eff(brief)
			}
		}
	},
}

type hold = func(*mutex.Mutex, *effect.Scope) effect.Effect[*mutex.KeepAlive]

// holding are the ways to have the lock until a scope closes. They yield nil if it was not free.
var holding = map[string]hold{
	"Acquire": (*mutex.Mutex).Acquire,
	"TryAcquire": func(m *mutex.Mutex, s *effect.Scope) effect.Effect[*mutex.KeepAlive] {
		return effect.Map(func(lock option.Option[*mutex.KeepAlive]) *mutex.KeepAlive {
			k, _ := option.Unwrap(lock)
			return k
		})(m.TryAcquire(s))
	},
}

// slowly is a store whose grants take 1 ms each way, and do not heed their context.
func slowly(s *store) *store {
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
		for by, within := range bounds {
			for _, contended := range []bool{false, true} {
				t.Run(how+" within "+by, func(t *testing.T) {
					yielded, refused := 0, 0
					for d := time.Duration(0); d < 8*time.Millisecond; d += 100 * time.Microsecond {
						synctest.Test(t, func(t *testing.T) {
							s := slowly(newStore())
							if contended {
								s = newQueued() // where the holder hands the lock on
							}
							m := newMutex(t, s, mutex.Config{Observer: slowObserver})
							if contended {
								defer join(t, locker(t, m, sleep(time.Millisecond)))
							}
							got, err := heldOrNot(t, m, within(d), acquire)
							require.Equal(t, got, err == nil, "%v: %v", d, err)
							if got {
								yielded++
							} else {
								refused++
							}
						})
					}
					if how == "Acquire" || !contended { // TryAcquire does not wait for the holder
						assert.NotZero(t, yielded)
					}
					assert.NotZero(t, refused)
				})
			}
		}
	}
}

// heldOrNot acquires the lock, and checks in the open scope that it is held if it was
// yielded, and by nobody if not.
func heldOrNot(t *testing.T, m *mutex.Mutex, within effect.Operator[*mutex.KeepAlive, *mutex.KeepAlive], acquire hold) (got bool, failed error) {
	t.Helper()
	_, err := effect.Scoped(func(s *effect.Scope) effect.Effect[effect.Void] {
		return func(ctx context.Context) (v effect.Void, err error) {
			lock, err := within(acquire(m, s))(ctx)
			if failed = err; err == nil && lock == nil {
				failed = errors.New("not free")
			}
			if got = lock != nil; got {
				holder, err := m.Holder(ctx)
				require.NoError(t, err)
				require.Equal(t, option.Some(lock.HolderID()), holder, "yielded, and not held")
				return v, nil
			}
			time.Sleep(20 * time.Millisecond) // for the holder, and the clean-up
			locked, err := m.IsLocked(ctx)
			require.NoError(t, err)
			require.False(t, locked, "nothing was yielded (%v), and yet the lock is held", failed)
			return v, nil
		}
	})(t.Context())
	require.NoError(t, err)
	return got, failed
}

func TestHazard59_WorkThatYieldedItsValueHasYieldedIt(t *testing.T) {
	for d := time.Duration(0); d < 12*time.Millisecond; d += 250 * time.Microsecond {
		for _, available := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				s := slowly(newStore())
				s.on(slow(time.Millisecond), "release")
				m := newMutex(t, s, mutex.Config{Observer: slowObserver})
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
					asA[*effect.TimeoutError](t, err)
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
