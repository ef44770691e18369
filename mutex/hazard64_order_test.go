package mutex_test

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
)

// observing is a lock whose work lasts for an hour if the lock is not lost before, and what
// its observer gets to know.
type observing struct {
	store    func() *store
	ttl      time.Duration
	observer func(mutex.Event) // what it does before it notes the event
	work     func(*testing.T, *store) effect.Effect[effect.Void]
	want     mutex.LossReason
	events   []mutex.EventKind
}

// dawdles is an observer that takes d for each event of a kind.
func dawdles(kind mutex.EventKind, d time.Duration) func(mutex.Event) {
	return func(e mutex.Event) {
		if e.Kind == kind {
			time.Sleep(d)
		}
	}
}

func TestHazard64_EventsComeInOrderAndALossIsTheLast(t *testing.T) {
	const brief = 300 * time.Millisecond
	each(t, map[string]observing{
		"a loss is not delayed by the observer of the question why": {
			func() *store { s := newStore(); s.on(fails, "getHolder"); return s }, ttl,
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
			func() *store {
				s := newStore()
				s.on(func(context.Context, *request) error { time.Sleep(brief * 6 / 10); return nil }, "refresh")
				s.on(func(context.Context, *request) error { time.Sleep(brief / 5); return errStore }, "getHolder")
				return s
			}, brief, func(mutex.Event) {},
			func(*testing.T, *store) effect.Effect[effect.Void] { return sleep(time.Hour) },
			mutex.Expired, []mutex.EventKind{mutex.Acquired, mutex.Lost},
		},
		"a lease is refreshed while the observer notes its grant": {
			newQueued, brief, dawdles(mutex.Acquired, time.Second),
			func(*testing.T, *store) effect.Effect[effect.Void] { return sleep(time.Second) },
			"", []mutex.EventKind{mutex.Acquired, mutex.Released},
		},
		"a loss that the release finds": {
			newQueued, ttl, dawdles(mutex.Lost, time.Minute),
			func(_ *testing.T, s *store) effect.Effect[effect.Void] {
				return func(context.Context) (v effect.Void, err error) {
					s.free(s.holder())
					return v, nil
				}
			},
			mutex.Gone, []mutex.EventKind{mutex.Acquired, mutex.Lost},
		},
	}, func(t *testing.T, c observing) {
		s, r := c.store(), recorder{}
		m := newMutex(t, s, mutex.Config{TTL: c.ttl, Observer: func(e mutex.Event) {
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

// The lock is lost while the observer notes its grant. And an observer ends its goroutine,
// which is what a failed assertion does.
func TestHazard64_AnObserverMissesNothing(t *testing.T) {
	each(t, map[string]func(mutex.Event){
		"that is slow to note the grant": dawdles(mutex.Acquired, time.Minute),
		"that ends its goroutine": func(e mutex.Event) {
			if e.Kind == mutex.BackingFailed || e.Kind == mutex.Lost {
				time.Sleep(time.Second)
				runtime.Goexit()
			}
		},
	}, func(t *testing.T, observe func(mutex.Event)) {
		s, failed := failing(always)
		var r recorder
		errs := lockMany(t, s, 1, mutex.Config{Observer: func(e mutex.Event) {
			r.observe(e)
			observe(e)
		}}, func(ctx context.Context) (effect.Void, error) {
			<-ctx.Done()
			return effect.Void{}, nil
		})
		requireLost(t, errs[0], mutex.Expired)
		requireCounted(t, r.events, failed(), mutex.Lost)
	})
}

// The scope has closed when the store grants the lock.
func TestHazard64_AcquiredComesBeforeReleasedIfTheScopeHasClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, r := newQueued(), recorder{}
		s.on(slow(time.Second), "enqueue")
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
	for kind, check := range map[mutex.EventKind]func(*testing.T, error){
		mutex.BackingFailed: func(t *testing.T, err error) { t.Helper(); assert.ErrorIs(t, err, context.Canceled) }, // before the loss
		mutex.Lost:          func(t *testing.T, err error) { t.Helper(); asA[*mutex.LockLostError](t, err) },
	} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, _ := failing(always)
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
