package mutex_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/memory"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/schedule"
)

// observing is a lock whose work lasts for an hour unless the lock is lost first, and the
// events that its observer receives.
type observing struct {
	prepare  func(*store)
	ttl      time.Duration
	observer func(mutex.Event) // what the observer does before it records the event
	work     func(*testing.T, *store) effect.Effect[effect.Void]
	want     mutex.LossReason
	events   []mutex.EventKind
}

func TestHazard64_EventsComeInOrderAndALossIsTheLast(t *testing.T) {
	const brief = 300 * time.Millisecond
	each(t, map[string]observing{
		"a loss is not delayed by the observer of the question why": {
			func(s *store) { s.on(fails, "getHolder") }, ttl,
			dawdles(mutex.BackingFailed, 5*time.Minute),
			func(t *testing.T, s *store) effect.Effect[effect.Void] {
				t.Helper()
				return func(ctx context.Context) (v effect.Void, err error) {
					began := time.Now()
					s.loseData()
					<-ctx.Done()
					assert.LessOrEqual(t, time.Since(began), ttl/3, "at the first refresh")
					return v, nil
				}
			},
			mutex.Gone, []mutex.EventKind{mutex.Acquired, mutex.BackingFailed, mutex.Lost},
		},
		// The lease expires while the store is asked for the holder, and fails to answer.
		"nothing is reported after a loss": {
			func(s *store) {
				s.on(func(context.Context, *request) error {
					time.Sleep(brief * 6 / 10)
					return nil // the lock is not held
				}, "refresh")
				s.on(func(context.Context, *request) error {
					time.Sleep(brief / 5)
					return errStore
				}, "getHolder")
			}, brief, func(mutex.Event) {},
			func(*testing.T, *store) effect.Effect[effect.Void] { return sleep(time.Hour) },
			mutex.Expired, []mutex.EventKind{mutex.Acquired, mutex.Lost},
		},
		"a lease is refreshed while the observer notes its grant": {
			func(*store) {}, brief, dawdles(mutex.Acquired, time.Second),
			func(*testing.T, *store) effect.Effect[effect.Void] { return sleep(time.Second) },
			"", []mutex.EventKind{mutex.Acquired, mutex.Released},
		},
		"a loss that the release finds": {
			func(*store) {}, ttl, dawdles(mutex.Lost, time.Minute),
			func(_ *testing.T, s *store) effect.Effect[effect.Void] {
				return func(context.Context) (v effect.Void, err error) {
					s.free(s.holder())
					return v, nil
				}
			},
			mutex.Gone, []mutex.EventKind{mutex.Acquired, mutex.Lost},
		},
	}, func(t *testing.T, c observing) {
		s, r := newQueued(), recorder{}
		c.prepare(s)
		m := newMutex(t, s, mutex.Config{TTL: c.ttl, Observer: func(_ context.Context, e mutex.Event) {
			c.observer(e)
			r.observe(e)
		}})
		_, err := mutex.WithLock(m, c.work(t, s))(t.Context())
		if c.want != "" {
			requireLost(t, err, c.want)
		} else {
			require.NoError(t, err)
		}
		assert.Equal(t, c.events, r.kinds(), "when the scope closes")
		time.Sleep(time.Second)
		assert.Len(t, r.kinds(), len(c.events))
	})
}

// The scope has closed when the store grants the lock.
func TestHazard64_AcquiredComesBeforeReleasedIfTheScopeHasClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, r := newQueued(), recorder{}
		s.on(slow(time.Second), "enqueue")
		m := newMutex(t, s, mutex.Config{Observer: mutex.Observe(r.observe)})
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

// These calls would deadlock if the observer were called under a mutex, or by the goroutine
// that ends the fiber.
func TestHazard64_AnObserverMayInterruptAndJoinTheKeepAlive(t *testing.T) {
	for kind, check := range map[mutex.EventKind]func(*testing.T, error){
		mutex.BackingFailed: func(t *testing.T, err error) { assert.ErrorIs(t, err, context.Canceled) }, //nolint:thelper // before the loss
		mutex.Lost:          requireA[*mutex.LockLostError],
	} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, _ := failing(always)
				var lock *mutex.KeepAlive
				var inner, outer context.Context
				answers := make(chan error, 10)
				m := newMutex(t, s, mutex.Config{Observer: func(_ context.Context, e mutex.Event) {
					if e.Kind != kind {
						return
					}
					_, err := lock.Interrupt()(context.Background())
					assert.NoError(t, err)
					_, err = lock.Join()(context.Background())
					_, _ = outer.Err(), inner.Err()
					answers <- err
				}})
				_, err := mutex.WithLock(newMutex(t, newStore(), mutex.Config{}), func(ctx context.Context) (effect.Void, error) {
					outer = ctx //nolint:fatcontext // for the observer
					return mutex.WithLock(m, func(ctx context.Context) (effect.Void, error) {
						lock, _ = mutex.FromContext(ctx)
						inner = ctx //nolint:fatcontext // likewise
						return sleep(time.Hour)(ctx)
					})(ctx)
				})(t.Context())
				requireLost(t, err, mutex.Expired)
				require.NotEmpty(t, answers)
				check(t, <-answers)
			})
		})
	}
}

// The observer hangs until long after the deadline; the work and the next in line do not wait.
func TestHazard64_TheWorkEndsOnTimeThoughTheObserverHangs(t *testing.T) {
	each(t, map[string]mutex.EventKind{"at first": mutex.Acquired, "in between": mutex.BackingFailed, "at last": mutex.Lost}, func(t *testing.T, kind mutex.EventKind) {
		s, _ := failing(always)
		began, ended := time.Now(), time.Time{}
		m := newMutex(t, s, mutex.Config{Observer: mutex.Observe(dawdles(kind, 5*time.Minute))})
		holder := locker(t, m, untilCancelled(&ended))
		time.AfterFunc(time.Minute, func() {
			_, err := mutex.WithLock(newMutex(t, s, mutex.Config{}), sleep(0))(t.Context())
			assert.NoError(t, err)
			assert.LessOrEqual(t, time.Since(began), 61*time.Second)
		})
		_, err := holder.Join()(t.Context())
		requireLost(t, err, mutex.Expired)
		if kind == mutex.Acquired { // this delays only its own caller
			assert.Equal(t, 5*time.Minute, ended.Sub(began))
		} else {
			assert.Less(t, ended.Sub(began), ttl)
		}
	})
}

// Only the lease whose policy is slower than the lease is lost, and on time.
func TestHazard64_ALockWhosePolicyHangsIsLostAloneAndOnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := failing(once())
		began, ended := time.Now(), time.Time{}
		hung := locker(t, newMutex(t, s, mutex.Config{BackingFailureRetryPolicy: slowPolicy(time.Hour)}), untilCancelled(&ended))
		fibers := make([]*effect.Fiber[effect.Void], 10)
		for i := range fibers {
			fibers[i] = locker(t, newMutexOf(t, s, fmt.Sprint("lock ", i), mutex.Config{}), sleep(2*time.Minute))
		}
		join(t, fibers...)
		_, err := hung.Join()(t.Context())
		requireLost(t, err, mutex.Expired)
		assert.Less(t, ended.Sub(began), ttl)
		time.Sleep(2 * time.Hour) // until the policy has returned
	})
}

// A policy may use the context of the work that its lease protects.
func TestHazard64_ARetryPolicyMayAskTheContextOfTheWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := failing(once())
		var held context.Context
		asked := 0
		m := newMutex(t, s, mutex.Config{BackingFailureRetryPolicy: schedule.Spaced(time.Second).WhileError(func(error) bool {
			asked++
			return held.Err() == nil
		})})
		_, err := mutex.WithLock(m, func(ctx context.Context) (effect.Void, error) {
			held = ctx //nolint:fatcontext // for the policy
			return sleep(time.Minute)(ctx)
		})(t.Context())
		require.NoError(t, err)
		assert.Equal(t, 1, asked)
	})
}

// inquisitive is a store that makes a mutex while it is asked for its abilities.
type inquisitive struct{ *memory.Backing }

func (i *inquisitive) Abilities() backing.Abilities {
	if _, err := mutex.New(i.Backing, key, mutex.Config{}); err != nil {
		panic(err)
	}
	return i.Backing.Abilities()
}

// Otherwise it would wait for itself forever.
func TestHazard64_AStoreIsAskedForItsAbilitiesUnderNoMutex(t *testing.T) {
	t.Parallel()
	newMutex(t, &inquisitive{memory.New()}, mutex.Config{})
}
