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
	"github.com/effectlock/effectlock/mutex"
)

// Mishaps that come together: each was found by a search through all states of
// a model of the protocol, or by hand beside it.

// rival is a claimant of another process that waits in the queue.
func rival(t *testing.T, s *queued, wake func()) {
	t.Helper()
	_, err := s.real().Enqueue(t.Context(), backing.Waiter{
		Claim: backing.Claim{Key: key, Holder: "rival", TTL: time.Minute},
		Wake:  wake,
	})
	require.NoError(t, err)
}

func (s *store) releaseAs(t *testing.T, holder string) {
	t.Helper()
	_, err := s.real().Release(context.Background(), key, holder)
	assert.NoError(t, err)
}

// The holder yields to a rival, and the reply is lost; the rival is quick, and the
// next in line is told that it has the lock, before the holder asks again.
func TestAHolderThatHearsLateThatItHandedTheLockOnDoesNotTakeItAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, d := newQueued(), &diary{}
		m := newMutex(t, s, mutex.Config{})
		first := true
		setHook(s, &s.pass, func(ctx context.Context, from backing.Claim, next backing.Waiter, _ bool) (backing.Outcome, error) {
			outcome, err := s.real().Pass(ctx, from, next, true)
			if first {
				first = false
				return nil, errStore
			}
			return outcome, err
		})
		holder := locker(t, m, d.entry(t, "holder", sleep(time.Second)))
		arrived()
		next := locker(t, m, d.entry(t, "next", sleep(5*time.Second)))
		arrived()
		rival(t, s, func() { time.AfterFunc(10*time.Millisecond, func() { s.releaseAs(t, "rival") }) })
		time.Sleep(2 * time.Second)
		grant, err := s.real().TryAcquire(t.Context(), backing.Claim{Key: key, Holder: "another", TTL: time.Minute})
		require.NoError(t, err)
		assert.True(t, option.IsNone(grant), "the next one works")
		join(t, holder, next)
		assert.Equal(t, []string{"holder", "next"}, d.who)
		s.requireFree(t)
	})
}

func TestAWaiterThatLeavesWhileTheHolderYieldsStaysInNoQueue(t *testing.T) {
	t.Parallel()
	for name, answered := range map[string]bool{"and hears so": true, "and never hears": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newQueued()
				m := newMutex(t, s, mutex.Config{})
				holder := locker(t, m, sleep(time.Second))
				arrived()
				leave, _ := leaver(t, m)
				arrived()
				rival(t, s, func() {})
				left := false
				setHook(s, &s.pass, func(ctx context.Context, from backing.Claim, next backing.Waiter, _ bool) (backing.Outcome, error) {
					if !left {
						left = true
						leave()
					}
					outcome, err := s.real().Pass(ctx, from, next, true)
					if !answered {
						err = errStore
					}
					return outcome, err
				})
				_, err := holder.Join()(t.Context())
				assert.Equal(t, answered, err == nil, "%v", err)
				s.releaseAs(t, "rival")
				s.requireFree(t)
			})
		})
	}
}

// A try is given up, repeated and refused; then the first one arrives after all.
func TestATryThatIsRefusedAfterOneWithoutAnAnswerLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	for name, lock := range map[string]func(m *mutex.Mutex) error{
		"if available": func(m *mutex.Mutex) error {
			a, err := mutex.WithLockIfAvailable(m, sleep(0))(context.Background())
			if err == nil && option.IsSome(a) {
				return errStore
			}
			return err
		},
		"a waiter who leaves": func(m *mutex.Mutex) error {
			ctx, cancel := context.WithTimeout(context.Background(), 5030*time.Millisecond) // between two polls
			defer cancel()
			if _, err := mutex.WithLock(m, sleep(0))(ctx); ctx.Err() == nil {
				return err
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newStore()
				s.take(t)
				released := make(chan string, 10)
				s.release = func(ctx context.Context, key, holder string) (bool, error) {
					released <- holder
					return s.real().Release(ctx, key, holder)
				}
				first := ""
				s.tryAcquire = func(ctx context.Context, c backing.Claim) (option.Option[backing.Grant], error) {
					if first == "" {
						first = c.Holder // still on its way
						return option.None[backing.Grant](), hang(ctx)
					}
					return s.real().TryAcquire(ctx, c)
				}
				require.NoError(t, lock(newMutex(t, s, mutex.Config{})))
				require.NotEmpty(t, released, "a store cannot undo what it is not told of")
				assert.Equal(t, first, <-released)
			})
		})
	}
}
