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

func TestTheLockIsHandedFromWaiterToWaiterWithOneRequestEach(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, d := newQueued(), &diary{}
		const n = 100
		var fibers []*effect.Fiber[effect.Void]
		for range n {
			fibers = append(fibers, locker(t, newMutex(t, s, mutex.Config{}), d.entry(t, "w", sleep(time.Second))))
			arrived()
		}
		join(t, fibers...)
		assert.Len(t, d.who, n)
		d.requireRisingTokens(t)
		assert.Equal(t, n-1, s.called("pass"))
		assert.Equal(t, 1, s.called("release"))
		assert.Equal(t, n+1, s.requests(), "and the first one's attempt")
		s.requireFree(t)
	})
}

func TestALeaseThatIsPassedOnIsCountedFromBeforeItWasAskedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newQueued()
		m := newMutex(t, s, mutex.Config{})
		holder := locker(t, m, sleep(time.Second))
		arrived()
		var asked, ended time.Time
		setHook(s, &s.pass, func(ctx context.Context, from backing.Claim, next backing.Waiter, yield bool) (backing.Outcome, error) {
			asked = time.Now()
			outcome, err := s.real().Pass(ctx, from, next, yield)
			time.Sleep(time.Second) // the answer is late
			return outcome, err
		})
		setHook(s, &s.refresh, func(context.Context, backing.Claim) (bool, error) { return false, errStore })
		next := locker(t, m, func(ctx context.Context) (effect.Void, error) {
			<-ctx.Done()
			ended = time.Now()
			return effect.Void{}, ctx.Err()
		})
		join(t, holder)
		_, err := next.Join()(t.Context())
		requireLost(t, err, mutex.Expired)
		assert.Less(t, ended.Sub(asked), ttl)
	})
}

func TestTenThousandWaitersCostNoMoreForEachHandover(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newQueued()
		s.take(t)
		m := newMutex(t, s, mutex.Config{})
		served := 0
		const n = 10_000
		fibers := make([]*effect.Fiber[effect.Void], n)
		for i := range fibers {
			fibers[i] = locker(t, m, func(context.Context) (effect.Void, error) {
				served++
				return effect.Void{}, nil
			})
		}
		arrived()
		assert.Equal(t, 1, s.requests(), "one waits for all")
		_, err := s.real().Release(t.Context(), key, "somebody else")
		require.NoError(t, err)
		join(t, fibers...)
		assert.Equal(t, n, served)
		assert.Equal(t, 1+1+n, s.requests(), "it asks again when it is woken")
	})
}

func TestWaitersOfTwoProcessesHaveTheLockInTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, d := newQueued(), &diary{}
		b := a.anotherProcess()
		const each = 20
		var fibers []*effect.Fiber[effect.Void]
		for range each {
			fibers = append(fibers, locker(t, newMutex(t, a, mutex.Config{}), d.entry(t, "a", sleep(time.Second))))
			arrived()
			fibers = append(fibers, locker(t, newMutex(t, b, mutex.Config{}), d.entry(t, "b", sleep(time.Second))))
			arrived()
		}
		join(t, fibers...)
		turns := strings.Join(d.who, "")
		assert.Equal(t, "aaaaaaaaa"+"bbbbbbbbb"+"aaaaaaaaa"+"bbbbbbbbb"+"aa"+"bb", turns, "one, and eight more in a row")
		d.requireRisingTokens(t)
		const others = 5 // turns that came from the other process
		assert.LessOrEqual(t, a.requests()+b.requests(), 2*each+2+others, "one for each turn, one to queue for each process, and one for each wake-up")
		a.requireFree(t)
	})
}

func TestAProcessKeepsHandingOnWhileNobodyElseWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, d := newQueued(), &diary{}
		yields := 0
		setHook(s, &s.pass, func(ctx context.Context, from backing.Claim, next backing.Waiter, yield bool) (backing.Outcome, error) {
			if yield {
				yields++
			}
			return s.real().Pass(ctx, from, next, yield)
		})
		var fibers []*effect.Fiber[effect.Void]
		for range 30 {
			fibers = append(fibers, locker(t, newMutex(t, s, mutex.Config{}), d.entry(t, "w", sleep(time.Second))))
			arrived()
		}
		join(t, fibers...)
		assert.Len(t, d.who, 30)
		assert.Equal(t, 3, yields, "each ninth time")
	})
}

func TestAHandoverWhoseReplyIsLostIsRepeated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, d := newQueued(), &diary{}
		m := newMutex(t, s, mutex.Config{})
		holder := locker(t, m, d.entry(t, "holder", sleep(time.Second)))
		arrived()
		next := locker(t, m, d.entry(t, "next", sleep(time.Second)))
		arrived()
		setHook(s, &s.pass, func(ctx context.Context, from backing.Claim, to backing.Waiter, yield bool) (backing.Outcome, error) {
			setHook(s, &s.pass, nil)
			_, _ = s.real().Pass(ctx, from, to, yield)
			return nil, errStore
		})
		join(t, holder, next)
		assert.Equal(t, []string{"holder", "next"}, d.who)
		s.requireFree(t)
	})
}

func TestAHandoverThatNeverSucceedsFailsTheReleaseAndNotTheNext(t *testing.T) {
	t.Parallel()
	for name, applied := range map[string]bool{"applied": true, "not applied": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, d := newQueued(), &diary{}
				m := newMutex(t, s, mutex.Config{})
				holder := locker(t, m, d.entry(t, "holder", sleep(time.Second)))
				arrived()
				next := locker(t, m, d.entry(t, "next", sleep(time.Second)))
				arrived()
				setHook(s, &s.pass, func(ctx context.Context, from backing.Claim, to backing.Waiter, yield bool) (outcome backing.Outcome, _ error) {
					if applied {
						outcome, _ = s.real().Pass(ctx, from, to, yield)
					}
					return outcome, errStore // beside an error an outcome means nothing
				})
				_, err := holder.Join()(t.Context())
				var failed *mutex.MutexBackingError
				require.ErrorAs(t, err, &failed)
				assert.Equal(t, "release", failed.Operation)
				setHook(s, &s.pass, nil)
				join(t, next)
				assert.Equal(t, []string{"holder", "next"}, d.who)
				s.requireFree(t)
			})
		})
	}
}

func TestAWaiterWhoLeavesAfterAHandoverFailedGivesBackWhatItMayHave(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newQueued()
		m := newMutex(t, s, mutex.Config{})
		holder := locker(t, m, sleep(time.Second))
		arrived()
		leave, _ := leaver(t, m)
		arrived()
		setHook(s, &s.pass, func(ctx context.Context, from backing.Claim, to backing.Waiter, yield bool) (backing.Outcome, error) {
			_, _ = s.real().Pass(ctx, from, to, yield)
			return nil, errStore
		})
		setHook(s, &s.enqueue, func(context.Context, backing.Waiter) (backing.Outcome, error) {
			return nil, errStore
		})
		_, err := holder.Join()(t.Context())
		require.ErrorIs(t, err, errStore)
		leave()
		s.requireFree(t)
	})
}

func TestAHandoverThatFindsTheLockLostIsALoss(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, d := newQueued(), &diary{}
		m := newMutex(t, s, mutex.Config{})
		holder := locker(t, m, d.entry(t, "holder", func(ctx context.Context) (effect.Void, error) {
			s.drop(t)
			return effect.Void{}, nil
		}))
		next := locker(t, m, d.entry(t, "next", sleep(time.Second)))
		_, err := holder.Join()(t.Context())
		if errors.As(err, new(*mutex.LockLostError)) {
			requireLost(t, err, mutex.Gone)
		}
		join(t, next)
		assert.ElementsMatch(t, []string{"holder", "next"}, d.who)
		s.requireFree(t)
	})
}

// The store loses the lock of the first, and gives it to a second, who hands it on to
// the one whom the first would hand it to as well.
func TestWhoHadLostTheLockIsToldThoughItWouldHandItToTheOneWhoHasIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newQueued()
		m := newMutex(t, s, mutex.Config{TTL: time.Hour})
		first := locker(t, m, sleep(2*time.Second))
		arrived()
		s.loseData()
		other := s.anotherProcess()
		second, err := effect.Fork(mutex.WithLock(newMutex(t, other, mutex.Config{TTL: time.Hour}), sleep(time.Second)))(t.Context())
		require.NoError(t, err)
		arrived()
		waiter := locker(t, m, sleep(time.Hour))
		arrived()
		setHook(s, &s.pass, func(ctx context.Context, from backing.Claim, next backing.Waiter, yield bool) (backing.Outcome, error) {
			_, err := s.real().TryAcquire(ctx, next.Claim) // the message is still on its way
			require.NoError(t, err)
			return s.real().Pass(ctx, from, next, yield)
		})
		join(t, second)
		_, err = first.Join()(t.Context())
		var lost *mutex.LockLostError
		require.ErrorAs(t, err, &lost)
		_, _ = waiter.Interrupt()(t.Context())
	})
}
