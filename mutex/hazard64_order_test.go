package mutex_test

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
)

// The observer hangs for long after the deadline; the work, and the next in line, do not wait.
func TestHazard64_TheWorkEndsOnTimeThoughTheObserverHangs(t *testing.T) {
	t.Parallel()
	for _, kind := range []mutex.EventKind{mutex.Acquired, mutex.BackingFailed, mutex.Lost} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, began := newQueued(), time.Now()
				failRefreshes(s, always)
				m := newMutex(t, s, mutex.Config{Observer: func(e mutex.Event) {
					if e.Kind == kind {
						time.Sleep(5 * time.Minute)
					}
				}})
				var ended time.Duration
				work := func(ctx context.Context) (effect.Void, error) {
					<-ctx.Done()
					ended = time.Since(began)
					return effect.Void{}, nil
				}
				holder := locker(t, m, work)
				arrived()
				time.AfterFunc(time.Minute, func() {
					_, err := mutex.WithLock(newMutex(t, s, mutex.Config{}), sleep(0))(t.Context())
					assert.NoError(t, err)
					assert.LessOrEqual(t, time.Since(began), 61*time.Second)
				})
				_, err := holder.Join()(t.Context())
				requireLost(t, err, mutex.Expired)
				if kind == mutex.Acquired { // which delays its own caller alone
					assert.Equal(t, 5*time.Minute, ended)
				} else {
					assert.Less(t, ended, ttl)
				}
			})
		})
	}
}

// The store says that the lock is gone, and fails to say why.
func TestHazard64_ALossIsNotDelayedByTheObserverOfTheQuestionWhy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, r := newStore(), recorder{}
		s.inspect = func(context.Context) error { return errStore }
		m := newMutex(t, s, mutex.Config{Observer: func(e mutex.Event) {
			if e.Kind == mutex.BackingFailed {
				time.Sleep(5 * time.Minute)
			}
			r.observe(e)
		}})
		began := time.Now()
		_, err := mutex.WithLock(m, func(ctx context.Context) (effect.Void, error) {
			s.drop(t)
			<-ctx.Done()
			assert.LessOrEqual(t, time.Since(began), ttl/3, "at the first refresh")
			return effect.Void{}, nil
		})(t.Context())
		requireLost(t, err, mutex.Gone)
		assert.Equal(t, []mutex.EventKind{mutex.Acquired, mutex.BackingFailed, mutex.Lost}, r.kinds())
	})
}

// The lease expires while the store is asked for the holder, and fails to answer.
func TestHazard64_NothingIsReportedAfterTheLoss(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, r := newStore(), recorder{}
		s.refresh = func(context.Context, backing.Claim) (bool, error) {
			time.Sleep(60 * time.Millisecond)
			return false, nil
		}
		s.inspect = func(context.Context) error {
			time.Sleep(20 * time.Millisecond)
			return errStore
		}
		m := newMutex(t, s, mutex.Config{TTL: 100 * time.Millisecond, Observer: r.observe})
		_, err := mutex.WithLock(m, sleep(time.Hour))(t.Context())
		requireLost(t, err, mutex.Expired)
		time.Sleep(time.Second)
		assert.Equal(t, 1, s.called("getHolder"))
		assert.Equal(t, []mutex.EventKind{mutex.Acquired, mutex.Lost}, r.kinds())
	})
}

func TestHazard64_ALeaseIsRefreshedWhileTheObserverNotesItsGrant(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, r := newQueued(), recorder{}
		m := newMutex(t, s, mutex.Config{TTL: 300 * time.Millisecond, Observer: func(e mutex.Event) {
			if e.Kind == mutex.Acquired {
				time.Sleep(time.Second)
			}
			r.observe(e)
		}})
		_, err := mutex.WithLock(m, sleep(time.Second))(t.Context())
		require.NoError(t, err)
		assert.Equal(t, []mutex.EventKind{mutex.Acquired, mutex.Released}, r.kinds())
	})
}

func TestHazard64_AcquiredComesBeforeALossThatIsNoticedMeanwhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, r := newQueued(), recorder{}
		failed := failRefreshes(s, always)
		m := newMutex(t, s, mutex.Config{TTL: 300 * time.Millisecond, Observer: func(e mutex.Event) {
			if e.Kind == mutex.Acquired {
				time.Sleep(time.Second)
			}
			r.observe(e)
		}})
		_, err := mutex.WithLock(m, func(ctx context.Context) (effect.Void, error) {
			assert.Error(t, ctx.Err(), "it has been lost already")
			return effect.Void{}, nil
		})(t.Context())
		requireLost(t, err, mutex.Expired)
		requireCounted(t, r.events, failed(), mutex.Lost)
	})
}

// The scope has closed when the store grants the lock.
func TestHazard64_AcquiredComesBeforeReleasedIfTheScopeHasClosed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, r := newQueued(), recorder{}
		setHook(s, &s.enqueue, func(ctx context.Context, w backing.Waiter) (backing.Outcome, error) {
			time.Sleep(time.Second)
			return s.real().Enqueue(ctx, w)
		})
		m := newMutex(t, s, mutex.Config{Observer: r.observe})
		ended := make(chan error, 1)
		_, err := effect.Scoped(func(scope *effect.Scope) effect.Effect[effect.Void] {
			return func(context.Context) (effect.Void, error) {
				go func() {
					_, err := m.Acquire(scope)(t.Context())
					ended <- err
				}()
				return sleep(time.Millisecond)(t.Context())
			}
		})(t.Context())
		require.NoError(t, err)
		require.ErrorIs(t, <-ended, effect.ErrScopeClosed)
		assert.Equal(t, []mutex.EventKind{mutex.Acquired, mutex.Released}, r.kinds())
		s.requireFree(t)
	})
}

// What it does would wait for itself if the observer were called under a mutex, or by
// the goroutine that ends the fiber.
func TestHazard64_AnObserverMayInterruptAndJoinTheKeepAlive(t *testing.T) {
	t.Parallel()
	for _, kind := range []mutex.EventKind{mutex.BackingFailed, mutex.Lost} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newQueued()
				failRefreshes(s, always)
				var lock *mutex.KeepAlive
				var inner, outer context.Context
				answers := make(chan error, 10)
				m := newMutex(t, s, mutex.Config{Observer: func(e mutex.Event) {
					if e.Kind != kind {
						return
					}
					_, err := lock.Interrupt()(context.Background())
					assert.NoError(t, err)
					_, err = lock.Join()(context.Background())
					_ = outer.Err()
					_ = inner.Err()
					answers <- err
				}})
				enclosing := newMutex(t, newStore(), mutex.Config{})
				_, err := mutex.WithLock(enclosing, func(ctx context.Context) (effect.Void, error) {
					outer = ctx //nolint:fatcontext // for the observer
					return mutex.WithLock(m, func(ctx context.Context) (effect.Void, error) {
						lock, _ = mutex.FromContext(ctx)
						inner = ctx //nolint:fatcontext // likewise
						return sleep(time.Hour)(ctx)
					})(ctx)
				})(t.Context())
				requireLost(t, err, mutex.Expired)
				require.NotEmpty(t, answers)
				if err := <-answers; kind == mutex.Lost {
					_ = asLost(t, err)
				} else {
					require.ErrorIs(t, err, context.Canceled, "it was interrupted before it was lost")
				}
			})
		})
	}
}

// runtime.Goexit is what a failed assertion does.
func TestHazard64_AnObserverThatEndsItsGoroutineMissesNoOtherEvent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, r := newQueued(), recorder{}
		failed := failRefreshes(s, always)
		errs := lockMany(t, s, 1, mutex.Config{Observer: func(e mutex.Event) {
			if r.observe(e); e.Kind == mutex.BackingFailed || e.Kind == mutex.Lost {
				time.Sleep(time.Second)
				runtime.Goexit()
			}
		}}, sleep(time.Minute))
		requireExpired(t, errs[0])
		requireCounted(t, r.events, failed(), mutex.Lost)
	})
}

// The loss is found at the release, which is the caller's.
func TestHazard64_ALossThatTheReleaseFindsIsReportedBeforeTheScopeHasClosed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, r := newQueued(), recorder{}
		m := newMutex(t, s, mutex.Config{Observer: func(e mutex.Event) {
			if e.Kind == mutex.Lost {
				time.Sleep(time.Minute)
			}
			r.observe(e)
		}})
		_, err := mutex.WithLock(m, func(context.Context) (effect.Void, error) {
			forceRelease(t, s)
			return effect.Void{}, nil
		})(t.Context())
		requireLost(t, err, mutex.Gone)
		assert.Equal(t, []mutex.EventKind{mutex.Acquired, mutex.Lost}, r.kinds())
	})
}
