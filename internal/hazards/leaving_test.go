package hazards_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
)

var errWhy = errors.New("the pod is shutting down")

// Some callers are cancelled and others time out, in an outage that ends a little later.
func TestHazard03_ACallerThatLeavesDuringAnOutageLeavesNoLock(t *testing.T) {
	t.Parallel()
	each(t, outages, func(t *testing.T, outage fault) {
		f := newStore(t).at(goredis.Options{})
		mend := outage.begin(f)
		cancelled, cancel := context.WithCancel(t.Context())
		late, end := context.WithTimeout(t.Context(), short)
		defer end()
		var callers sync.WaitGroup
		for way, acquire := range acquiring {
			for _, ctx := range []context.Context{cancelled, late} {
				m := newMutex(t, f.near, f.key+fmt.Sprint(way, ctx == late), mutex.Config{TTL: long})
				callers.Go(func() {
					_, err := acquire(m, neverRuns(t))(ctx)
					assert.ErrorIs(t, err, ctx.Err(), way)
				})
			}
		}
		f.sends()
		cancel()
		<-late.Done()
		time.Sleep(short)
		mend()
		callers.Wait()
		f.isFree()
	})
}

// An outage that does not end does not hold up the caller. Requests that were sent before the
// clean-up is over are applied when the outage ends, and then undone.
func TestHazard03_ACallerThatLeavesIsNotKeptByAnOutageThatGoesOn(t *testing.T) {
	t.Parallel()
	each(t, []fault{frozen, cut}, func(t *testing.T, outage fault) {
		// The release needs a connection of its own, and gets none.
		f := newStore(t).at(goredis.Options{MaxIdleConns: 1})
		mend := outage.begin(f)
		ctx, cancel := context.WithTimeout(t.Context(), short)
		defer cancel()
		_, err := mutex.WithLock(newMutex(t, f.near, f.key, mutex.Config{TTL: long}), neverRuns(t))(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		_, err = mutex.AwaitCleanup(f.near)(t.Context())
		require.NoError(t, err)
		mend()
		f.hold(f.process()).letsGo() // even if the late request was applied first
		f.isFree()
	})
}

// The server has granted the lock when the caller leaves, and the reply is on its way.
func TestHazard04_AGrantToACallerThatHasLeftIsGivenBack(t *testing.T) {
	t.Parallel()
	for way, acquire := range acquiring {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			f := sharedStore(t).at(goredis.Options{})
			defer slow.begin(f)()
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			m := newMutex(t, f.near, f.key, mutex.Config{TTL: long})
			fiber, err := effect.Fork(acquire(m, effect.Sleep(long)))(ctx)
			require.NoError(t, err)
			eventually(t, func() bool { return f.holderOf(f.key) != "" }, "the server grants it")
			leave()
			_, err = fiber.Join()(t.Context())
			assert.ErrorIs(t, err, context.Canceled)
			f.isFree()
		})
	}
}

// Callers leave before, at and after the moment when they are granted their locks. Either the
// caller knows that it has the lock, or nobody has it.
func TestHazard04_ALockIsHeldByACallerThatKnowsItOrByNobody(t *testing.T) {
	t.Parallel()
	for way, acquire := range acquiring {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			const callers, late = 100, 20 * time.Millisecond
			f := sharedStore(t).at(goredis.Options{})
			f.network.Delay(late)
			var held, missed atomic.Int32
			var running sync.WaitGroup
			for _, name := range f.names(callers) {
				m := newMutex(t, f.near, name, mutex.Config{TTL: long})
				running.Go(func() {
					ctx, leave := context.WithCancel(t.Context())
					defer time.AfterFunc(rand.N(5*late), leave).Stop()
					works := false
					_, err := acquire(m, func(ctx context.Context) (effect.Void, error) {
						lock := lockOf(ctx)
						works = f.holderOf(name) == lock.HolderID()
						return effect.Void{}, nil
					})(ctx)
					if err == nil {
						held.Add(1)
						assert.True(t, works, "nobody has the lock, but the caller believes otherwise")
						return
					}
					missed.Add(1)
					assert.ErrorIs(t, err, context.Canceled)
				})
			}
			running.Wait()
			f.network.Heal()
			f.isFree()
			t.Logf("%d held, %d missed", held.Load(), missed.Load())
			assert.Positive(t, missed.Load(), "no trial")
		})
	}
}

// Neither a byte is sent nor a connection made, whether the lock is free, another process has
// it, or this one does.
func TestHazard05_NothingIsSentForACallerThatLeftBefore(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	theirs := s.holdKey(s.key+"theirs", s.process())
	w := &wire{}
	b := redis.New(s.client(goredis.Options{Dialer: w.dial}))
	cancelled, cancel := context.WithCancelCause(t.Context())
	cancel(errWhy)
	late, end := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer end()
	ask := func(t *testing.T) {
		t.Helper()
		sent, made := w.written.Load(), s.connections()
		for _, ctx := range []context.Context{cancelled, late} {
			for name, operation := range operations(neverRuns(t)) {
				for _, key := range []string{"free", "theirs", "ours"} {
					_, err := operation(newMutex(t, b, s.key+key, mutex.Config{TTL: long}))(ctx)
					assert.ErrorIs(t, err, ctx.Err(), "%s, %s", name, key)
					assert.ErrorIs(t, err, context.Cause(ctx), "%s, %s", name, key)
				}
			}
		}
		assert.Equal(t, sent, w.written.Load(), "something is sent")
		assert.Equal(t, made, s.connections(), "a connection is made")
	}
	t.Run("before the first connection", ask)
	ours := s.holdKey(s.key+"ours", b)
	require.Positive(t, w.written.Load(), "the counter must count")
	t.Run("on a connection", ask)
	ours.letsGo()
	theirs.letsGo()
	s.assertFree()
}

// The release does not run under the context that has ended.
func TestHazard06_ACallerThatLeavesWhileItHoldsLetsGo(t *testing.T) {
	t.Parallel()
	for way, acquire := range acquiring {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			s := sharedStore(t)
			ctx, leave := context.WithCancelCause(t.Context())
			defer leave(nil)
			inside, told := make(chan struct{}), make(chan error, 1)
			fiber, err := effect.Fork(acquire(newMutex(t, s.process(), s.key, mutex.Config{TTL: long}), func(ctx context.Context) (effect.Void, error) {
				defer s.enter(ctx)()
				close(inside)
				<-ctx.Done()
				told <- context.Cause(ctx)
				return effect.Void{}, ctx.Err()
			}))(ctx)
			require.NoError(t, err)
			receive(t, inside, "the lock")
			next := s.rival()
			leave(errWhy)
			assert.Equal(t, errWhy, receive(t, told, "why the work is cancelled"))
			_, err = fiber.Join()(t.Context())
			assert.ErrorIs(t, err, context.Canceled)
			assert.ErrorIs(t, err, errWhy)
			next.takesTurn()
			s.assertFree()
		})
	}
}
