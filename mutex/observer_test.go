package mutex_test

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/schedule"
)

// recorder keeps the events of a mutex.
type recorder struct {
	mu     sync.Mutex
	events []mutex.Event
}

func (r *recorder) observe(e mutex.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

func (r *recorder) kinds() []mutex.EventKind {
	r.mu.Lock()
	defer r.mu.Unlock()
	kinds := make([]mutex.EventKind, len(r.events))
	for i, e := range r.events {
		kinds[i] = e.Kind
	}
	return kinds
}

func TestAnObserverSeesALockFromAcquisitionToRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r recorder
		m := newMutex(t, newStore(), mutex.Config{Observer: r.observe})
		id, err := mutex.WithLock(m, func(ctx context.Context) (string, error) {
			time.Sleep(15 * time.Second)
			return holderID(ctx)
		})(t.Context())
		require.NoError(t, err)
		require.Equal(t, []mutex.EventKind{mutex.Acquired, mutex.Released}, r.kinds())
		token := r.events[0].Token
		assert.NotZero(t, token)
		assert.Equal(t, mutex.Event{Kind: mutex.Acquired, Key: key, Holder: id, Token: token}, r.events[0])
		assert.Equal(t, mutex.Event{Kind: mutex.Released, Key: key, Holder: id, Token: token, Elapsed: 15 * time.Second}, r.events[1])
	})
}

func TestAnObserverSeesWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r recorder
		s := newStore()
		s.take(t)
		time.AfterFunc(250*time.Millisecond, s.loseData)
		_, err := mutex.WithLock(newMutex(t, s, mutex.Config{Observer: r.observe}), effect.Succeed(1))(t.Context())
		require.NoError(t, err)
		require.Equal(t, []mutex.EventKind{mutex.Waiting, mutex.Acquired, mutex.Released}, r.kinds())
		assert.Equal(t, 300*time.Millisecond, r.events[1].Elapsed)
	})
}

func TestAnObserverSeesWhoGaveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r recorder
		s := newStore()
		s.take(t)
		m := newMutex(t, s, mutex.Config{Observer: r.observe, AcquireRetryPolicy: schedule.Stop()})
		_, err := mutex.WithLock(m, effect.Succeed(1))(t.Context())
		require.Error(t, err)
		require.Equal(t, []mutex.EventKind{mutex.Waiting, mutex.NotAcquired}, r.kinds())
		assert.Equal(t, err, r.events[1].Err)
	})
}

func TestAnObserverSeesFailuresOfTheStoreAndTheLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r recorder
		s := newStore()
		s.refresh = func(ctx context.Context, _ backing.Claim) (bool, error) { return false, hang(ctx) }
		s.release = func(context.Context, string, string) (bool, error) { return false, errStore }
		_, err := mutex.WithLock(newMutex(t, s, mutex.Config{Observer: r.observe}), sleep(time.Hour))(t.Context())
		requireLost(t, err, mutex.Expired)
		lost := asLost(t, err)
		kinds := r.kinds()
		require.Equal(t, mutex.Acquired, kinds[0])
		for _, k := range kinds[1:10] { // each refresh is given up after 2 s; the last one with the lease
			require.Equal(t, mutex.BackingFailed, k)
		}
		require.Equal(t, []mutex.EventKind{mutex.Lost, mutex.BackingFailed}, kinds[10:], "and the release failed")
		assert.Equal(t, lost, r.events[10].Err)
		assert.Less(t, r.events[10].Elapsed, ttl)
	})
}

func TestAnObserverSeesAReleaseThatFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r recorder
		s := newStore()
		s.release = func(context.Context, string, string) (bool, error) { return false, backing.Permanent(errStore) }
		_, err := mutex.WithLock(newMutex(t, s, mutex.Config{Observer: r.observe}), sleep(time.Second))(t.Context())
		require.ErrorIs(t, err, errStore)
		require.Equal(t, []mutex.EventKind{mutex.Acquired, mutex.BackingFailed, mutex.ReleaseFailed}, r.kinds())
		assert.Equal(t, err, r.events[2].Err)
		assert.Equal(t, time.Second, r.events[2].Elapsed)
	})
}

func TestAnObserverMayActOnTheLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		var lock *mutex.KeepAlive
		m := newMutex(t, s, mutex.Config{Observer: func(e mutex.Event) {
			if e.Kind == mutex.Lost {
				go lock.Interrupt()(context.Background()) //nolint:errcheck // it ends all the same
				_, err := lock.Join()(canceledContext())
				assert.Error(t, err)
			}
		}})
		_, err := mutex.WithLock(m, func(ctx context.Context) (effect.Void, error) {
			lock, _ = mutex.FromContext(ctx)
			s.drop(t)
			return sleep(time.Hour)(ctx)
		})(t.Context())
		requireLost(t, err, mutex.Gone)
	})
}

func canceledContext() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
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
	observe(mutex.Event{Kind: mutex.Acquired, Key: "k", Holder: "h", Token: 7, Elapsed: time.Second})
	observe(mutex.Event{Kind: mutex.BackingFailed, Key: "k", Err: errStore})
	observe(mutex.Event{Kind: mutex.Lost, Key: "k", Holder: "h", Err: errWork, Skipped: 5})
	assert.Equal(t, `level=DEBUG msg="lock acquired" key=k token=7 elapsed=1s
level=WARN msg="lock backing failed" key=k error="the store is down"
level=ERROR msg="lock lost" key=k skipped=5 error="the work failed"
`, out.String())
}
