package miniredis_test

import (
	"context"
	"testing"
	"time"

	"github.com/IBM/fp-go/v2/option"
	"github.com/alicebob/miniredis/v2"
	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
)

// process returns a Backing such as another process would have.
func process(t *testing.T, addr string) *redis.Backing {
	t.Helper()
	c := goredis.NewClient(&goredis.Options{Addr: addr})
	t.Cleanup(func() { _ = c.Close() })
	return redis.New(c)
}

func newMutex(t *testing.T, b backing.Backing, c mutex.Config) *mutex.Mutex {
	t.Helper()
	m, err := mutex.New(b, "k", c)
	require.NoError(t, err)
	return m
}

// hold takes the lock and keeps it until letGo is called.
func hold(t *testing.T, m *mutex.Mutex) (letGo func() error) {
	t.Helper()
	inside, leave, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		_, err := mutex.WithLock(m, func(ctx context.Context) (none effect.Void, err error) {
			close(inside)
			select {
			case <-leave:
				return none, nil
			case <-ctx.Done():
				return none, context.Cause(ctx)
			}
		})(t.Context())
		done <- err
	}()
	select {
	case <-inside:
	case err := <-done:
		require.FailNow(t, "no lock", "%v", err)
	}
	return func() error { close(leave); return <-done }
}

func TestALockIsTakenKeptWaitedForAndReleased(t *testing.T) {
	t.Parallel()
	s := miniredis.RunT(t)
	waits := make(chan struct{}, 1)
	config := mutex.Config{TTL: 3 * time.Second}
	letGo := hold(t, newMutex(t, process(t, s.Addr()), config))
	config.Observer = func(_ context.Context, e mutex.Event) {
		switch e.Kind {
		case mutex.Waiting:
			waits <- struct{}{}
		case mutex.Polling, mutex.BackingFailed:
			assert.Fail(t, string(e.Kind), "%v", e.Err)
		default:
		}
	}
	far := newMutex(t, process(t, s.Addr()), config)
	ran := make(chan error, 1)
	go func() {
		_, err := mutex.WithLock(far, effect.Succeed(effect.Void{}))(t.Context())
		ran <- err
	}()
	<-waits
	for range 20 { // twice the lease in all, so the refreshes must extend it
		time.Sleep(config.TTL / 10)
		s.FastForward(config.TTL / 10) // leases in miniredis do not end on their own
	}
	locked, err := far.IsLocked(t.Context())
	require.NoError(t, err)
	assert.True(t, locked)
	select {
	case err := <-ran:
		require.FailNow(t, "two are inside", "%v", err)
	default:
	}
	require.NoError(t, letGo())
	require.NoError(t, <-ran)
	locked, err = far.IsLocked(t.Context())
	require.NoError(t, err)
	assert.False(t, locked)
}

// The lease of a holder that is gone ends when the test says so.
func TestALeaseEndsByFastForward(t *testing.T) {
	t.Parallel()
	s := miniredis.RunT(t)
	b := process(t, s.Addr())
	c := backing.Claim{Key: "k", Holder: "h", TTL: time.Minute}
	grant, err := b.TryAcquire(t.Context(), c)
	require.NoError(t, err)
	require.True(t, option.IsSome(grant))
	s.FastForward(c.TTL)
	other, err := b.TryAcquire(t.Context(), backing.Claim{Key: "k", Holder: "other", TTL: time.Minute})
	require.NoError(t, err)
	require.True(t, option.IsSome(other))
}
