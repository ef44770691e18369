package hazards_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing/memory"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
)

// The request is repeated, and the server recognizes the holder that it has
// granted the lock already. To anybody else it is as held as any.
func TestHazard01_AnAcquireWhoseReplyIsLostIsRecognized(t *testing.T) {
	t.Parallel()
	eachRepeater(t, func(t *testing.T, f lossy) {
		isExclusive(t, f.store, f.isRecognized(t, "evalsha"))
	})
}

// isRecognized loses the first two replies to an acquire, whose command has the
// argument, and returns who has the lock by the third. It may have a higher token then
// than the server gave first.
func (f lossy) isRecognized(t *testing.T, arg string) *contender {
	t.Helper()
	first, before := uint64(0), f.token(t)
	f.network.DropReplies(2, arg)
	holder := contend(t, f.b, key, f.config())
	eventually(t, func() bool { first = f.token(t); return first > before }, "the server grants it")
	holder.enters(t, patience)
	f.assertLost(t, 2, holder)
	f.assertHolds(t, holder)
	assert.GreaterOrEqual(t, holder.token, first, "the last answer counts")
	assert.Zero(t, f.queued(t))
	return holder
}

// isExclusive asserts that another has the lock when the holder has let go, and
// no sooner.
func isExclusive(t *testing.T, s store, holder *contender) {
	t.Helper()
	rival := contend(t, s.process(t), key, mutex.Config{TTL: long})
	s.awaitQueue(t, 1)
	assertOutside(t, rival)
	s.assertHolder(t, holder)
	holder.letsGo(t)
	rival.enters(t, soon)
	assert.Greater(t, rival.token, holder.token)
	rival.letsGo(t)
	s.assertFree(t)
}

// One who would not wait must not take itself for another.
func TestHazard01_ATryWhoseReplyIsLostFindsTheLockItsOwn(t *testing.T) {
	t.Parallel()
	eachRepeater(t, func(t *testing.T, f lossy) {
		for way, acquire := range acquiring {
			before := f.network.Dropped()
			f.network.DropReplies(1, "evalsha")
			ran := false
			_, err := acquire(newMutex(t, f.b, way, f.config()), func(context.Context) (effect.Void, error) {
				ran = true
				assert.Positive(t, f.ttl(t, way), way)
				return effect.Void{}, nil
			})(t.Context())
			require.NoError(t, err, way)
			assert.True(t, ran, way)
			assert.Equal(t, 1, f.network.Dropped()-before, way)
			f.assertFree(t)
		}
	})
}

// A process that listens already asks for the lock and for a place in the queue
// in one request.
func TestHazard01_AnAcquireOfAListenerWhoseReplyIsLostIsRecognized(t *testing.T) {
	t.Parallel()
	eachRepeater(t, func(t *testing.T, f lossy) {
		elsewhere := contend(t, f.process(t), "elsewhere", mutex.Config{TTL: long})
		elsewhere.enters(t, patience)
		listener := contend(t, f.b, "elsewhere", mutex.Config{TTL: long})
		f.awaitListeners(t, 1)
		listener.waits(t)

		holder := f.isRecognized(t, queues)

		elsewhere.letsGo(t)
		listener.enters(t, soon)
		listener.letsGo(t)
		isExclusive(t, f.store, holder)
	})
}

// One who asks again has the place that it got the first time, and no second one.
func TestHazard01_AWaiterWhoseReplyIsLostKeepsItsPlace(t *testing.T) {
	t.Parallel()
	eachRepeater(t, func(t *testing.T, f lossy) {
		holder := contend(t, f.process(t), key, mutex.Config{TTL: long})
		holder.enters(t, patience)
		f.network.DropReplies(2, queues)
		waiter := contend(t, f.b, key, f.config())
		f.awaitQueue(t, 1)
		next := contend(t, f.process(t), key, mutex.Config{TTL: long})
		f.awaitQueue(t, 2)
		waiter.waits(t)
		f.assertLost(t, 2, waiter)
		require.EqualValues(t, 2, f.queued(t))

		holder.letsGo(t)
		waiter.enters(t, soon)
		assert.EqualValues(t, 1, f.queued(t))
		f.assertHolds(t, waiter)
		assertOutside(t, next)
		waiter.letsGo(t)
		next.enters(t, soon)
		assert.Greater(t, next.token, waiter.token)
		next.letsGo(t)
		f.assertFree(t)
	})
}

// The lock is granted while the reply that the waiter is in the queue is being
// made up for: the message that says so is older than that.
func TestHazard01_AWaiterIsGrantedTheLockBeforeItKnowsItsPlace(t *testing.T) {
	t.Parallel()
	eachRepeater(t, func(t *testing.T, f lossy) {
		holder := contend(t, f.process(t), key, mutex.Config{TTL: long})
		holder.enters(t, patience)
		f.network.DropReplies(2, queues)
		waiter := contend(t, f.b, key, f.config())
		f.awaitQueue(t, 1)
		holder.letsGo(t)
		waiter.enters(t, soon)
		f.assertHolds(t, waiter)
		isExclusive(t, f.store, waiter)
	})
}

func TestHazard01_AWaiterWhoseReplyIsLostKeepsItsPlaceInMemory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := memory.New()
		holder := contend(t, m, key, mutex.Config{TTL: long})
		holder.enters(t, patience)
		var asked atomic.Int32
		waiter := contend(t, &forgetful{m, func(string) bool { return asked.Add(1) <= 2 }}, key, mutex.Config{TTL: long})
		synctest.Wait()
		// Another process: it shares the store, but not the line.
		next := contend(t, &forgetful{m, func(string) bool { return false }}, key, mutex.Config{TTL: long})
		next.waits(t)
		waiter.waits(t)
		assert.EqualValues(t, 3, asked.Load())

		holder.letsGo(t)
		waiter.enters(t, time.Millisecond)
		synctest.Wait()
		assertOutside(t, next)
		waiter.letsGo(t)
		next.enters(t, time.Millisecond)
		assert.Greater(t, next.token, waiter.token)
		next.letsGo(t)
	})
}
