package mutex_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
)

// leaver is a waiter that leaves at the moment that it is being granted the lock.
func leaver(t *testing.T, m *mutex.Mutex) (leave func(), f *effect.Fiber[effect.Void]) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	f, err := effect.Fork(mutex.WithLock(m, func(context.Context) (effect.Void, error) {
		t.Error("it has left")
		return effect.Void{}, nil
	}))(ctx)
	require.NoError(t, err)
	return func() {
		cancel()
		_, err := f.Join()(t.Context())
		require.ErrorIs(t, err, context.Canceled)
	}, f
}

func TestALockThatIsHandedToAWaiterWhoLeftGoesOnToTheNext(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ applied bool }{"before": {false}, "after": {true}} {
		t.Run("it left "+name+" the store applied it", func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, d := newQueued(), &diary{}
				m := newMutex(t, s, mutex.Config{})
				holder := locker(t, m, d.entry(t, "holder", sleep(time.Second)))
				arrived()
				leave, _ := leaver(t, m)
				arrived()
				next := locker(t, m, d.entry(t, "next", sleep(time.Second)))
				arrived()
				setHook(s, &s.pass, func(ctx context.Context, from backing.Claim, to backing.Waiter, yield bool) (outcome backing.Outcome, err error) {
					setHook(s, &s.pass, nil)
					if c.applied {
						outcome, err = s.real().Pass(ctx, from, to, yield)
						leave()
						return outcome, err
					}
					leave()
					return s.real().Pass(ctx, from, to, yield)
				})
				join(t, holder, next)
				assert.Equal(t, []string{"holder", "next"}, d.who)
				assert.Equal(t, 2, s.called("pass"))
				s.requireFree(t)
			})
		})
	}
}

func TestALockThatTheStoreKeepsForAWaiterWhoLeavesGoesOnToTheNext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, d := newQueued(), &diary{}
		b := a.anotherProcess()
		holder := locker(t, newMutex(t, a, mutex.Config{}), d.entry(t, "holder", sleep(time.Second)))
		arrived()
		told := make(chan func(), 1)
		setHook(b, &b.enqueue, func(ctx context.Context, w backing.Waiter) (backing.Outcome, error) {
			setHook(b, &b.enqueue, nil)
			wake := w.Wake
			w.Wake = func() { told <- wake } // on its way
			return b.real().Enqueue(ctx, w)
		})
		m := newMutex(t, b, mutex.Config{})
		leave, _ := leaver(t, m)
		arrived()
		next := locker(t, m, d.entry(t, "next", sleep(time.Second)))
		join(t, holder)
		late := <-told
		leave()
		late() // nobody is there any more
		join(t, next)
		assert.Equal(t, []string{"holder", "next"}, d.who)
		b.requireFree(t)
	})
}
