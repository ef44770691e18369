package hazards_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing/memory"
	"github.com/effectlock/effectlock/mutex"
)

func TestHazard02_ARefreshWhoseReplyIsLostIsRepeated(t *testing.T) {
	t.Parallel()
	eachRepeater(t, func(t *testing.T, f lossy) {
		c := f.config()
		c.TTL, c.RefreshInterval = 10*time.Second, 200*time.Millisecond
		holder := contend(t, f.b, key, c)
		holder.enters(t, patience)
		f.network.DropReplies(2, renews)
		eventually(t, func() bool { return f.network.Dropped() == 2 }, "replies are lost")

		asked := f.scripts(t)
		eventually(t, func() bool { return f.scripts(t) >= asked+3 }, "it goes on")
		f.assertLostOfRefreshes(t, holder)
		f.assertHolds(t, holder)
		holder.letsGo(t)
		f.assertFree(t)
	})
}

func TestHazard02_ARefreshOfManyWhoseReplyIsLostIsRepeated(t *testing.T) {
	t.Parallel()
	eachRepeater(t, func(t *testing.T, f lossy) {
		c := f.config()
		c.TTL, c.RefreshInterval = 10*time.Second, 500*time.Millisecond
		g := newGauge(f.b, f.b)
		all := crowd(t, g, 20, c)
		g.inFlight(t, 2)
		f.network.DropReplies(2, "evalsha")
		eventually(t, func() bool { return f.network.Dropped() == 2 }, "replies are lost")

		asked := f.scripts(t)
		eventually(t, func() bool { return f.scripts(t) >= asked+3 }, "it goes on")
		for _, one := range all {
			one.letsGo(t)
		}
		f.assertFree(t)
	})
}

// The repetition tells that the lock was the holder's until it let go, though it
// is another's by then.
func TestHazard02_AReleaseWhoseReplyIsLostWasOne(t *testing.T) {
	t.Parallel()
	eachRepeater(t, func(t *testing.T, f lossy) {
		holder := contend(t, f.b, key, f.config())
		holder.enters(t, patience)
		waiter := contend(t, f.process(t), key, mutex.Config{TTL: long})
		f.awaitQueue(t, 1)
		next := contend(t, f.process(t), key, mutex.Config{TTL: long})
		f.awaitQueue(t, 2)

		heard := f.listenIn(t)
		f.network.DropReplies(2, holder.holder)
		holder.letsGo(t)
		f.assertLost(t, 2, holder)
		waiter.enters(t, soon)
		f.assertHolds(t, waiter)
		assertOutside(t, next)
		assert.Equal(t, 1, heard.wakeUps(t))
		waiter.letsGo(t)
		next.enters(t, soon)
		next.letsGo(t)
		f.assertFree(t)
	})
}

// A lock that is handed from one to the next of its process, to another process,
// and back: of each step the first two replies are lost.
func TestHazard02_AHandoverWhoseReplyIsLostIsOne(t *testing.T) {
	t.Parallel()
	eachRepeater(t, func(t *testing.T, f lossy) {
		c := f.config()
		holder := contend(t, f.b, key, c)
		holder.enters(t, patience)
		all := []*contender{holder}
		for range handful {
			waiter := contend(t, f.b, key, c)
			waiter.waits(t)
			all = append(all, waiter)
		}
		foreign := contend(t, f.process(t), key, mutex.Config{TTL: long})
		f.awaitQueue(t, 1)

		lost, waiting := 0, append(all[1:len(all):len(all)], foreign)
		for holder != nil {
			f.assertHolds(t, holder)
			for _, one := range waiting {
				assertOutside(t, one)
			}
			if holder != foreign {
				lost += 2
				f.network.DropReplies(2, holder.holder)
			}
			last := holder.token
			holder.letsGo(t)
			if holder, waiting = oneEnters(t, waiting); holder != nil {
				assert.Greater(t, holder.token, last)
			}
		}
		f.assertLost(t, lost, all...)
		assert.Equal(t, 2*len(all), lost)
		f.assertFree(t)
	})
}

// oneEnters waits until one of all has the lock, and returns it and the others.
func oneEnters(t *testing.T, all []*contender) (holder *contender, others []*contender) {
	t.Helper()
	if len(all) == 0 {
		return nil, nil
	}
	eventually(t, func() bool {
		for i, one := range all {
			select {
			case <-one.inside:
				holder = one
				others = append(append(others, all[:i]...), all[i+1:]...)
				return true
			default:
			}
		}
		return false
	}, "one of %d is inside", len(all))
	return holder, others
}

func TestHazard02_ARefreshWhoseReplyIsLostIsRepeatedInMemory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var refreshes atomic.Int32
		b := &forgetful{memory.New(), func(string) bool { return refreshes.Add(1)%2 == 1 }}
		holder := contend(t, b, key, mutex.Config{TTL: long})
		holder.enters(t, patience)
		time.Sleep(10 * long)
		holder.letsGo(t)
		require.Greater(t, refreshes.Load(), int32(20))
		assert.InDelta(t, refreshes.Load(), 2*holder.seen(mutex.BackingFailed), 1)
	})
}
