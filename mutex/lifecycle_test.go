package mutex_test

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
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

func TestAnAcquiredLockIsHeldUntilItsScopeCloses(t *testing.T) {
	each(t, holding, func(t *testing.T, acquire hold) {
		s := newStore()
		m := newMutex(t, s, mutex.Config{})
		_, err := effect.Scoped(func(scope *effect.Scope) effect.Effect[int] {
			return func(ctx context.Context) (int, error) {
				// The timeout on the acquisition does not end the keep-alive.
				lock, err := effect.Timeout[*mutex.KeepAlive](time.Second)(acquire(m, scope))(ctx)
				require.NoError(t, err)
				time.Sleep(3 * ttl)
				holder, err := m.Holder(ctx)
				require.NoError(t, err)
				assert.Equal(t, option.Some(lock.HolderID()), holder)
				locked, err := m.IsLocked(ctx)
				require.NoError(t, err)
				assert.True(t, locked)
				assert.NotZero(t, lock.Token())
				assert.Equal(t, m.Key(), lock.Key())
				assert.True(t, option.IsNone(lock.Poll()), "the keep-alive runs")
				busy, err := m.TryAcquire(scope)(ctx)
				assert.True(t, option.IsNone(busy), "a mutex is not reentrant")
				return 0, err
			}
		})(t.Context())
		require.NoError(t, err)
		s.requireFree(t)
		locked, err := m.IsLocked(t.Context())
		require.NoError(t, err)
		assert.False(t, locked)
	})
}

func TestJoiningTheKeepAliveShowsTheLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		m := newMutex(t, s, mutex.Config{})
		workEnded := false
		began := time.Now()
		_, err := effect.Scoped(func(scope *effect.Scope) effect.Effect[effect.Void] {
			return func(ctx context.Context) (effect.Void, error) {
				lock, err := m.Acquire(scope)(ctx)
				require.NoError(t, err)
				s.loseData()
				work := effect.Ensuring[effect.Void](func(context.Context) (effect.Void, error) {
					workEnded = true
					return effect.Void{}, nil
				})(sleep(time.Hour))
				return effect.RaceFirst(work, effect.Absurd[effect.Void](lock.Join()))(ctx)
			}
		})(t.Context())
		requireLost(t, err, mutex.Gone)
		assert.True(t, workEnded)
		assert.Equal(t, asA[*mutex.LockLostError](t, err).Error(), err.Error(), "said once")
		assert.Equal(t, 10*time.Second, time.Since(began), "by the refresh that found it")
	})
}

func TestWithLockIfAvailable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		m := newMutex(t, s, mutex.Config{})
		inner, err := mutex.LockedIfAvailable[option.Option[int]](m)(mutex.LockedIfAvailable[int](m)(effect.Succeed(1)))(t.Context())
		require.NoError(t, err)
		assert.Equal(t, option.Some(option.None[int]()), inner, "free outside, held inside")

		_, err = mutex.WithLockIfAvailable(m, effect.Fail[int](errWork))(t.Context())
		require.ErrorIs(t, err, errWork)
		s.requireFree(t)

		s.on(permanently, "release")
		receipt, err := mutex.WithLockIfAvailable(m, effect.Succeed(42))(t.Context())
		require.ErrorIs(t, err, errStore)
		assert.Equal(t, option.Some(42), receipt, "beside the error of the release")
	})
}

func TestFromContextIsTheInnermostLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		outer, inner := newMutex(t, s, mutex.Config{HolderID: "outer"}), newMutexOf(t, s, "another key", mutex.Config{HolderID: "inner"})
		_, err := mutex.WithLock(outer, func(ctx context.Context) (int, error) {
			id, err := mutex.Locked[string](inner)(holderID)(ctx)
			require.NoError(t, err)
			assert.Equal(t, "inner", id)
			id, err = holderID(ctx)
			assert.Equal(t, "outer", id)
			return 0, err
		})(t.Context())
		require.NoError(t, err)
		_, ok := mutex.FromContext(t.Context())
		assert.False(t, ok)
	})
}

func TestTheLossOfAnOuterLockEndsTheInnerWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		outer := newMutex(t, s, mutex.Config{})
		innerStore := newStore()
		inner := newMutex(t, innerStore, mutex.Config{})
		recovered := false
		_, err := mutex.WithLock(outer, func(ctx context.Context) (effect.Void, error) {
			s.loseData()
			// Recovering inside does not help: the work has been cancelled.
			return effect.CatchAll(func(error) effect.Effect[effect.Void] {
				recovered = true
				return effect.Succeed(effect.Void{})
			})(mutex.WithLock(inner, sleep(time.Hour)))(ctx)
		})(t.Context())
		requireLost(t, err, mutex.Gone)
		assert.False(t, recovered)
		innerStore.requireFree(t)

		_, err = effect.CatchTag(func(e *mutex.LockLostError) effect.Effect[string] {
			return effect.Succeed(e.Key)
		})(effect.Fail[string](err))(t.Context())
		require.NoError(t, err, "outside it can be recovered from")
	})
}

// permanently fails for good.
func permanently(context.Context, *request) error { return backing.Permanent(errStore) }

// The refreshes of the lost lock are given up after 2 s each, the last one with the lease; then
// its release fails.
func TestAnObserverSeesWhatHappensToALock(t *testing.T) {
	type observed struct {
		prepare      func(*store)
		policy       schedule.Schedule
		kinds        []mutex.EventKind
		waited, held time.Duration
	}
	failures := slices.Repeat([]mutex.EventKind{mutex.BackingFailed}, 9)
	const expires = 29699 * time.Millisecond
	each(t, map[string]observed{
		"it is released":     {func(*store) {}, schedule.Schedule{}, []mutex.EventKind{mutex.Acquired, mutex.Released}, 0, 40 * time.Second},
		"it is waited for":   {taken(250 * time.Millisecond), schedule.Schedule{}, []mutex.EventKind{mutex.Waiting, mutex.Acquired, mutex.Released}, 300 * time.Millisecond, 40 * time.Second},
		"it is given up":     {taken(time.Hour), schedule.Stop(), []mutex.EventKind{mutex.Waiting, mutex.NotAcquired}, 0, 0},
		"it is lost":         {faulty(hangs, fails), schedule.Schedule{}, slices.Concat([]mutex.EventKind{mutex.Acquired}, failures, []mutex.EventKind{mutex.Lost, mutex.BackingFailed}), 0, expires},
		"it is not released": {faulty(nil, permanently), schedule.Schedule{}, []mutex.EventKind{mutex.Acquired, mutex.BackingFailed, mutex.ReleaseFailed}, 0, 40 * time.Second},
	}, func(t *testing.T, c observed) {
		s, r := newStore(), recorder{}
		c.prepare(s)
		m := newMutex(t, s, mutex.Config{HolderID: "job", AcquireRetryPolicy: c.policy, Observer: mutex.Observe(r.observe)})
		token := uint64(0)
		_, err := mutex.WithLock(m, func(ctx context.Context) (effect.Void, error) {
			lock, _ := mutex.FromContext(ctx)
			token = lock.Token()
			return sleep(40 * time.Second)(ctx)
		})(t.Context())
		require.Equal(t, c.kinds, r.kinds())
		for _, e := range r.events {
			want := mutex.Event{Kind: e.Kind, Key: key, Holder: "job", Token: token}
			switch e.Kind {
			case mutex.BackingFailed:
				want.Holder, want.Token, want.Err = "", 0, asA[*mutex.MutexBackingError](t, e.Err)
			case mutex.Acquired:
				want.Elapsed = c.waited
			case mutex.Released, mutex.Lost, mutex.ReleaseFailed:
				want.Elapsed, want.Err = c.held, err
			case mutex.NotAcquired:
				want.Elapsed, want.Err = c.waited, err
			case mutex.Waiting, mutex.Polling:
				want.Token = 0
			}
			assert.Equal(t, want, e)
		}
	})
}

// taken is a store whose lock somebody else has for a while.
func taken(d time.Duration) func(*store) {
	return func(s *store) {
		s.take()
		time.AfterFunc(d, s.loseData)
	}
}

func faulty(refresh, release fault) func(*store) {
	return func(s *store) {
		s.on(refresh, "refresh")
		s.on(release, "release")
	}
}

type traceKey struct{}

// The context of an event has the values of that of the call, and never ends: an observer
// that sends a trace must not fail because the call has.
func TestEveryEventHasTheValuesOfItsCall(t *testing.T) {
	type observed struct {
		kind    mutex.EventKind
		prepare func(*store)
		policy  schedule.Schedule
	}
	held := func(s *store) { s.grant("another", ttl) }
	each(t, map[string]observed{
		"acquired":       {kind: mutex.Acquired},
		"released":       {kind: mutex.Released},
		"waiting":        {kind: mutex.Waiting, prepare: held},
		"not acquired":   {kind: mutex.NotAcquired, prepare: held, policy: schedule.Stop()},
		"a refresh":      {kind: mutex.BackingFailed, prepare: faulty(fails, nil)},
		"lost":           {kind: mutex.Lost, prepare: faulty(fails, nil)},
		"release failed": {kind: mutex.ReleaseFailed, prepare: faulty(nil, permanently)},
	}, func(t *testing.T, c observed) {
		s := newStore()
		if c.prepare != nil {
			c.prepare(s)
		}
		var kinds []mutex.EventKind
		ctx, cancel := context.WithCancel(context.WithValue(t.Context(), traceKey{}, "trace 7"))
		defer cancel()
		_ = newMutex(t, s, mutex.Config{AcquireRetryPolicy: c.policy, Observer: func(ctx context.Context, e mutex.Event) {
			kinds = append(kinds, e.Kind)
			assert.Equal(t, "trace 7", ctx.Value(traceKey{}), e.Kind)
			assert.NoError(t, ctx.Err(), e.Kind)
		}}).Do(ctx, func(context.Context) error {
			time.Sleep(2 * ttl)
			cancel()
			return nil
		})
		assert.Contains(t, kinds, c.kind)
	})
}

func TestObserveOfNothingIsNoObserver(t *testing.T) {
	t.Parallel()
	require.NoError(t, newMutex(t, newStore(), mutex.Config{Observer: mutex.Observe(nil)}).Do(t.Context(), func(context.Context) error { return nil }))
}

// tracing is a handler that notes the trace in the context of each record.
type tracing struct {
	slog.Handler
	traces *[]any
}

func (tracing) Enabled(context.Context, slog.Level) bool { return true }

func (h tracing) Handle(ctx context.Context, _ slog.Record) error {
	*h.traces = append(*h.traces, ctx.Value(traceKey{}))
	return nil
}

func TestALoggersHandlerFindsTheTraceOfTheCall(t *testing.T) {
	t.Parallel()
	var traces []any
	log := slog.New(tracing{slog.DiscardHandler, &traces})
	m := newMutex(t, newStore(), mutex.Config{Observer: mutex.LogObserver(log)})
	ctx := context.WithValue(t.Context(), traceKey{}, "trace 7")
	require.NoError(t, m.Do(ctx, func(context.Context) error { return nil }))
	assert.Equal(t, []any{"trace 7", "trace 7"}, traces)
}

func TestLogObserver(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	noTime := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	observe := mutex.LogObserver(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: noTime})))
	observe(t.Context(), mutex.Event{Kind: mutex.Acquired, Key: "k", Holder: "h", Token: 7, Elapsed: time.Second})
	observe(t.Context(), mutex.Event{Kind: mutex.BackingFailed, Key: "k", Err: errStore})
	observe(t.Context(), mutex.Event{Kind: mutex.Lost, Key: "k", Holder: "h", Err: errWork, Skipped: 5})
	assert.Equal(t, `level=DEBUG msg="lock acquired" key=k token=7 elapsed=1s
level=WARN msg="lock backing failed" key=k error="the store is down"
level=ERROR msg="lock lost" key=k skipped=5 error="the work failed"
`, out.String())
}
