package mutex_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
)

// Package turn decides who is handed the lock, and package protocol explores what may go wrong,
// in every order. These tests show that a mutex carries out those decisions.

func TestWaitersOfTwoProcessesHaveTheLockInTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, d := newQueued(), &diary{}
		b := a.anotherProcess()
		const each = 20
		var fibers []*effect.Fiber[effect.Void]
		for range each {
			fibers = append(fibers,
				locker(t, newMutex(t, a, mutex.Config{}), d.entry(t, "a", sleep(time.Second))),
				locker(t, newMutex(t, b, mutex.Config{}), d.entry(t, "b", sleep(time.Second))))
		}
		join(t, fibers...)
		assert.Equal(t, "aaaaaaaaa"+"bbbbbbbbb"+"aaaaaaaaa"+"bbbbbbbbb"+"aa"+"bb", strings.Join(d.who, ""), "one, and eight more in a row")
		const others = 5 // turns handed over by the other process
		assert.LessOrEqual(t, a.called()+b.called(), 2*each+2+others, "one for each turn, one to queue for each process, and one for each wake-up")
		a.requireFree(t)
	})
}

// Whether or not the holder's release fails, the next waiter has the lock.
func TestAHandoverThatFailsKeepsTheLockFromNobody(t *testing.T) {
	each(t, map[string]handover{
		"its reply is lost":      {first(1, breaks), nil, ""},
		"each reply is lost":     {breaks, errStore, "release"},
		"it never arrives":       {fails, errStore, "release"},
		"the store refuses once": {func(context.Context, *request) error { return nil }, nil, ""},
	}, func(t *testing.T, c handover) {
		s, d := newQueued(), &diary{}
		m := newMutex(t, s, mutex.Config{})
		holder := locker(t, m, d.entry(t, "holder", sleep(time.Second)))
		next := locker(t, m, d.entry(t, "next", sleep(time.Second)))
		s.on(c.fault, "pass")
		began := time.Now()
		_, err := holder.Join()(t.Context())
		require.ErrorIs(t, err, c.want)
		if c.failed != "" {
			requireFailed(t, err, c.failed)
		} else {
			assert.LessOrEqual(t, time.Since(began), 3*time.Second)
		}
		s.on(nil, "pass")
		join(t, next)
		assert.Equal(t, []string{"holder", "next"}, d.who)
		s.requireFree(t)
	})
}

type handover struct {
	fault  fault
	want   error
	failed string
}

func TestAPanicOfAHandoverFailsTheReleaseAndNotTheLine(t *testing.T) {
	each(t, map[string]bool{"the next stays": false, "the next has left": true}, func(t *testing.T, leaves bool) {
		s := newQueued()
		m := newMutex(t, s, mutex.Config{TTL: 10 * time.Second})
		holder := locker(t, m, sleep(time.Second))
		leave := func() {}
		if leaves {
			leave = leaver(t, m)
		}
		next := locker(t, m, sleep(0))
		s.on(func(context.Context, *request) error {
			leave()
			panic("boom")
		}, "pass")
		exit, err := holder.Await()(t.Context())
		require.NoError(t, err)
		assert.True(t, exit.IsDefect(), "%v", exit.Err())
		bounded, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		_, err = next.Join()(bounded)
		require.NoError(t, err, "it has the lock when the lease ends")
		awaitCleanup(t, s)
		s.requireFree(t)
	})
}

func TestALockThatIsHandedToAWaiterWhoLeftGoesOnToTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newQueued()
		m := newMutex(t, s, mutex.Config{})
		holder := locker(t, m, sleep(time.Second))
		leave := leaver(t, m)
		next := locker(t, m, sleep(time.Second))
		s.on(first(1, func(ctx context.Context, r *request) error {
			defer leave()
			return r.send(ctx)
		}), "pass")
		join(t, holder, next)
		assert.Equal(t, 2, s.called("pass"))
		s.requireFree(t)
	})
}

func TestALockThatIsPassedOnForOneWhoLeftAndCannotBeIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, r := newQueued(), recorder{}
		m := newMutex(t, s, mutex.Config{Observer: mutex.Observe(r.observe)})
		holder := locker(t, m, sleep(time.Second))
		leave := leaver(t, m)
		s.on(func(ctx context.Context, r *request) error {
			defer leave()
			return r.send(ctx)
		}, "pass")
		s.on(fails, "release")
		join(t, holder)
		failed := r.of(mutex.ReleaseFailed)
		require.Len(t, failed, 1)
		require.ErrorIs(t, failed[0].Err, errStore)
		assert.Equal(t, s.holder(), failed[0].Holder)
	})
}

func TestALockThatIsReleasedByHandIsLost(t *testing.T) {
	type variant struct {
		config mutex.Config
		waiter bool // a waiter of the same process, so that the lock is passed on
		taken  bool // another process takes the lock meanwhile
	}
	each(t, map[string]variant{
		"and is free since":                       {},
		"and another had it since":                {taken: true},
		"with a given holder id":                  {config: mutex.Config{HolderID: "job"}},
		"and has a waiter":                        {waiter: true},
		"with a given holder id and has a waiter": {config: mutex.Config{HolderID: "job"}, waiter: true},
	}, func(t *testing.T, c variant) {
		s, r := newQueued(), recorder{}
		c.config.Observer = mutex.Observe(r.observe)
		holder := locker(t, newMutex(t, s, c.config), sleep(2*time.Second))
		var waiters []*effect.Fiber[effect.Void]
		if c.waiter {
			waiters = append(waiters, locker(t, newMutex(t, s, mutex.Config{}), sleep(0)))
		}
		time.Sleep(time.Second)
		s.free(s.holder())
		if c.taken {
			require.True(t, s.grant("another", time.Minute))
		}
		_, err := holder.Join()(t.Context())
		requireLost(t, err, mutex.Gone)
		assert.Equal(t, []mutex.EventKind{mutex.Acquired, mutex.Lost}, r.kinds())
		join(t, waiters...)
	})
}

// The lock was handed to a waiter that had left. Its release must not release the lock of the
// next acquisition under the same id.
func TestALockHandedToADepartedWaiterIsReleasedBeforeItsIDAcquiresAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newQueued()
		s.on(split(1, late(time.Second), slow(time.Second)), "pass")
		first := locker(t, newMutex(t, s, mutex.Config{}), sleep(time.Second))
		m := newMutex(t, s, mutex.Config{HolderID: "job", AcquireTimeout: 1500 * time.Millisecond})
		_, err := mutex.WithLock(m, sleep(0))(t.Context())
		assert.Equal(t, mutex.KindNotAcquired, mutex.KindOf(err))
		impatient := newMutex(t, s, mutex.Config{AcquireTimeout: time.Second})
		second, err := effect.Fork(mutex.WithLock(impatient, sleep(0)))(t.Context())
		require.NoError(t, err)
		synctest.Wait()
		_, err = mutex.WithLock(newMutex(t, s, mutex.Config{HolderID: "job"}), sleep(time.Minute))(t.Context())
		require.NoError(t, err)
		_, _ = second.Join()(t.Context())
		join(t, first)
	})
}

// The same if the handover failed, and nobody knows whether the waiter was given the lock.
func TestAFailedHandoverToADepartedWaiterIsUndoneBeforeItsIDAcquiresAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newQueued()
		s.on(func(ctx context.Context, r *request) error {
			return errors.Join(backing.Permanent(errStore), late(time.Second)(ctx, r))
		}, "pass")
		s.on(first(1, slow(time.Second)), "release")
		holder := locker(t, newMutex(t, s, mutex.Config{}), sleep(time.Second))
		_, err := mutex.WithLock(newMutex(t, s, mutex.Config{HolderID: "job", AcquireTimeout: 1500 * time.Millisecond}), sleep(0))(t.Context())
		assert.Equal(t, mutex.KindNotAcquired, mutex.KindOf(err))
		_, err = mutex.WithLock(newMutex(t, s, mutex.Config{HolderID: "job"}), sleep(time.Minute))(t.Context())
		require.NoError(t, err)
		_, err = holder.Join()(t.Context())
		requireFailed(t, err, mutex.OperationRelease)
	})
}
