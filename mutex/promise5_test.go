package mutex_test

import (
	"context"
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

// Promise 5: waiters of one process are served first come, first served, and
// never wait longer than the lease of a crashed holder and one retry interval.

// arrive has n waiters come for the lock, a millisecond apart, each with a
// mutex of its own. It returns what is filled with their numbers as they are served.
func arrive(t *testing.T, s *store, n int, work func(i int) effect.Effect[effect.Void]) (served *[]int, wait func()) {
	t.Helper()
	served = new([]int)
	fibers := make([]*effect.Fiber[effect.Void], n)
	for i := range n {
		m := newMutex(t, s, mutex.Config{})
		f, err := effect.Fork(mutex.WithLock(m, func(ctx context.Context) (effect.Void, error) {
			*served = append(*served, i)
			return work(i)(ctx)
		}))(t.Context())
		require.NoError(t, err)
		fibers[i] = f
		time.Sleep(time.Millisecond)
	}
	return served, func() {
		for _, f := range fibers {
			_, err := f.Join()(t.Context())
			require.NoError(t, err)
		}
	}
}

func upTo(n int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = i
	}
	return s
}

func TestPromise5_WaitersAreServedInTheOrderInWhichTheyCame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		const n = 50
		began := time.Now()
		served, wait := arrive(t, s, n, func(int) effect.Effect[effect.Void] { return sleep(time.Second) })
		wait()
		assert.Equal(t, upTo(n), *served)
		assert.Equal(t, n*time.Second, time.Since(began), "each as soon as the one before has let go")
	})
}

func TestPromise5_OnlyTheFirstInLineAsksTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.take(t)
		ctx, cancel := context.WithCancel(t.Context())
		for range 1000 {
			m := newMutex(t, s, mutex.Config{})
			_, err := effect.Fork(mutex.WithLock(m, effect.Succeed(1)))(ctx)
			require.NoError(t, err)
		}
		time.Sleep(10*time.Second + time.Millisecond)
		assert.Equal(t, 101, s.called("tryAcquire"), "one at first, and one each 100 ms")
		cancel()
		synctest.Wait()
	})
}

func TestPromise5_ALockOfACrashedHolderIsHadWhenItsLeaseEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		_, err := s.real().TryAcquire(t.Context(), backing.Claim{Key: key, Holder: "crashed", TTL: ttl})
		require.NoError(t, err)
		began := time.Now()
		_, err = mutex.WithLock(newMutex(t, s, mutex.Config{}), func(context.Context) (int, error) {
			require.LessOrEqual(t, time.Since(began), ttl+100*time.Millisecond)
			return 1, nil
		})(t.Context())
		require.NoError(t, err)
	})
}

func TestPromise5_AWaiterWhoLeavesHoldsUpNobody(t *testing.T) {
	for name, leaving := range map[string]int{"the first": 0, "one in the middle": 2, "the last": 4} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStore()
				hold := newMutex(t, s, mutex.Config{})
				release := make(chan struct{})
				_, err := effect.Fork(mutex.WithLock(hold, func(context.Context) (int, error) { <-release; return 0, nil }))(t.Context())
				require.NoError(t, err)
				synctest.Wait()

				var served []int
				var leave context.CancelFunc
				for i := range 5 {
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					if i == leaving {
						leave = cancel
					}
					m := newMutex(t, s, mutex.Config{AcquireRetryInterval: time.Hour})
					_, err := effect.Fork(mutex.WithLock(m, func(context.Context) (int, error) {
						served = append(served, i)
						return 0, nil
					}))(ctx)
					require.NoError(t, err)
					synctest.Wait()
				}
				leave()
				synctest.Wait()
				close(release)
				synctest.Wait()

				want := upTo(5)
				assert.Equal(t, append(want[:leaving:leaving], want[leaving+1:]...), served)
				s.requireFree(t)
			})
		})
	}
}

func TestPromise5_TheNextInLineIsServedWhenTheFirstIsCancelledAsItIsGranted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		ctx, cancel := context.WithCancel(t.Context())
		s.tryAcquire = func(asking context.Context, c backing.Claim) (option.Option[backing.Grant], error) {
			grant, err := s.real().TryAcquire(asking, c)
			if s.called("tryAcquire") == 1 {
				time.Sleep(time.Second)
				cancel()
			}
			return grant, err
		}
		_, err := effect.Fork(mutex.WithLock(newMutex(t, s, mutex.Config{}), effect.Fail[int](errWork)))(ctx)
		require.NoError(t, err)
		synctest.Wait()
		began := time.Now()
		_, err = mutex.WithLock(newMutex(t, s, mutex.Config{AcquireRetryInterval: time.Hour}), effect.Succeed(1))(t.Context())
		require.NoError(t, err)
		assert.Equal(t, time.Second, time.Since(began))
	})
}

func TestPromise5_ALostLockDoesNotHoldUpTheLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.refresh = func(ctx context.Context, _ backing.Claim) (bool, error) { return false, hang(ctx) }
		_, err := effect.Fork(mutex.WithLock(newMutex(t, s, mutex.Config{}), deafSleep(time.Hour)))(t.Context())
		require.NoError(t, err)
		synctest.Wait()
		began := time.Now()
		_, err = mutex.WithLock(newMutex(t, s, mutex.Config{}), effect.Succeed(1))(t.Context())
		require.NoError(t, err)
		assert.LessOrEqual(t, time.Since(began), ttl+100*time.Millisecond, "though the work that lost it runs on")
		time.Sleep(time.Hour)
	})
}

func TestPromise5_AWaiterOfALongLineGivesUpWhenItsPolicyEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.take(t)
		ctx, cancel := context.WithCancel(t.Context())
		_, err := effect.Fork(mutex.WithLock(newMutex(t, s, mutex.Config{}), effect.Succeed(1)))(ctx)
		require.NoError(t, err)
		synctest.Wait()
		began := time.Now()
		m := newMutex(t, s, mutex.Config{AcquireRetryPolicy: schedule.Spaced(time.Second).UpTo(10 * time.Second)})
		_, err = mutex.WithLock(m, effect.Succeed(2))(t.Context())
		var refused *mutex.LockNotAcquiredError
		require.ErrorAs(t, err, &refused, "though it never came first")
		assert.Equal(t, 10*time.Second, time.Since(began))
		cancel()
		synctest.Wait()
	})
}

func TestPromise5_APolicyWithoutDelaysDoesNotFloodTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.take(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		m := newMutex(t, s, mutex.Config{AcquireRetryPolicy: schedule.Forever()})
		_, err := mutex.WithLock(m, effect.Succeed(2))(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.LessOrEqual(t, s.called("tryAcquire"), 1001)
	})
}

func TestPromise5_AWaiterThatIsWokenInVainKeepsToItsPolicy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		m := newMutex(t, s, mutex.Config{})
		_, err := effect.Fork(mutex.WithLock(m, func(context.Context) (int, error) {
			time.Sleep(500 * time.Millisecond)
			s.take(t) // somebody else is quicker than our own waiter
			return 0, nil
		}))(t.Context())
		require.NoError(t, err)
		synctest.Wait()
		began := time.Now()
		waiter := newMutex(t, s, mutex.Config{AcquireRetryPolicy: schedule.Spaced(time.Second).Intersect(schedule.Once())})
		_, err = mutex.WithLock(waiter, effect.Succeed(1))(t.Context())
		var refused *mutex.LockNotAcquiredError
		require.ErrorAs(t, err, &refused)
		assert.Equal(t, time.Second, time.Since(began), "the release at 0.5 s was no step of the policy")
		assert.Equal(t, 3, s.called("tryAcquire"), "the holder's; the waiter's when woken, and after 1 s")
	})
}
