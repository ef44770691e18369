package hazards_test

import (
	"context"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/schedule"
)

// pause is how long after a failure a request is repeated: time to check the server's state.
const pause = 100 * time.Millisecond

// lossyConfig configures a mutex that repeats requests soon.
var lossyConfig = mutex.Config{TTL: long, BackingFailureRetryPolicy: schedule.Spaced(pause)}

// losesReplies makes the network lose the next two replies to a script.
func (f site) losesReplies(script string) { f.network.DropReplies(2, script) }

// assertLost asserts how many replies have been lost so far, and that mutexes repeated those
// requests that they had to.
func (f site) assertLost(n int, all ...*contender) {
	f.t.Helper()
	assert.Equal(f.t, n, f.network.Dropped())
	failures := 0
	for _, c := range all {
		failures += c.seen(mutex.BackingFailed)
	}
	if len(all) > 0 {
		assert.GreaterOrEqual(f.t, failures, n)
	}
}

// The request is repeated, and the server recognizes the holder to which it has already granted
// the lock. To anybody else the lock is held.
func TestHazard01_AnAcquireWhoseReplyIsLostIsRecognized(t *testing.T) {
	t.Parallel()
	for way, acquire := range acquiring {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			f := sharedStore(t).at(goredis.Options{})
			f.losesReplies(scripts().acquire)
			ran := false
			_, err := acquire(newMutex(t, f.near, f.key, lossyConfig), func(ctx context.Context) (effect.Void, error) {
				defer f.enter(ctx)()
				ran = true
				rival := f.rival()
				rival.cancel()
				assert.ErrorIs(t, rival.gone(), context.Canceled)
				return effect.Void{}, nil
			})(t.Context())
			require.NoError(t, err)
			assert.True(t, ran)
			f.assertLost(2)
			f.hold(f.process()).letsGo()
			f.assertFree()
		})
	}
}

// A waiter that asks again keeps its first place and gets no second one, even if it is granted the
// lock while it repeats the request whose reply was lost.
func TestHazard01_AWaiterWhoseReplyIsLostKeepsItsPlace(t *testing.T) {
	t.Parallel()
	for name, early := range map[string]bool{"while it asks": true, "when it knows its place": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := sharedStore(t).at(goredis.Options{})
			f.listens()
			holder := f.hold(f.process())
			f.losesReplies(scripts().acquire)
			waiter := f.want(f.near, lossyConfig)
			f.awaitQueue(1)
			next := f.rival()
			if !early {
				waiter.waits()
				f.assertLost(2, waiter)
				require.EqualValues(t, 2, f.queued(f.key))
			}
			holder.letsGo()
			waiter.enters()
			f.assertHolds(waiter)
			next.assertOutside()
			waiter.letsGo()
			next.takesTurn()
			f.assertLost(2, waiter)
			f.assertFree()
		})
	}
}

// The client may repeat a refresh by itself; otherwise the mutex does.
func TestHazard02_ARefreshWhoseReplyIsLostIsRepeated(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		many    int
		retries int
	}{{"by the mutex", 1, -1}, {"by the client", 1, 0}, {"of many", 20, -1}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := sharedStore(t).at(goredis.Options{MaxRetries: c.retries, MinRetryBackoff: pause, MaxRetryBackoff: pause})
			config := lossyConfig
			config.RefreshInterval = short
			b := spyOn(t, f.near)
			all := f.crowd(b, c.many, config)
			script := scripts().refresh
			if c.many > 1 {
				b.inFlight(2)
				script = scripts().refreshAll
			}
			f.losesReplies(script)
			eventually(t, func() bool { return f.network.Dropped() == 2 }, "replies are lost")
			b.refreshes()
			assert.Equal(t, c.retries < 0, all[0].seen(mutex.BackingFailed) > 0, "%v", all[0].lastError(mutex.BackingFailed))
			for _, one := range all {
				f.assertHolds(one)
				one.letsGo()
			}
			f.assertFree()
		})
	}
}

// The answer to the repeated release is that the holder had the lock until then, although another
// has it by now.
func TestHazard02_AReleaseWhoseReplyIsLostWasOne(t *testing.T) {
	t.Parallel()
	f := sharedStore(t).at(goredis.Options{})
	holder := f.hold(f.near, lossyConfig)
	waiter, next := f.rival(), f.rival()
	m := f.monitored()
	f.losesReplies(scripts().release)
	holder.letsGo()
	f.assertLost(2, holder)
	waiter.enters()
	next.assertOutside()
	assert.Equal(t, 1, m.wakeUps())
	waiter.letsGo()
	next.takesTurn()
	f.assertFree()
}

// A lock is handed from one waiter to the next in a process, to another process, and back: the
// first two replies of each step are lost.
func TestHazard02_AHandoverWhoseReplyIsLostIsOne(t *testing.T) {
	t.Parallel()
	f := sharedStore(t).at(goredis.Options{})
	const handful = 12 // a few more than a process serves before others get their turn
	holder := f.hold(f.near, lossyConfig)
	near := []*contender{holder}
	for range handful {
		near = append(near, f.wait(f.near, lossyConfig))
	}
	far := f.rival()
	lost := 0
	for waiting := append(near[1:len(near):len(near)], far); ; {
		f.assertHolds(holder)
		if holder != far {
			lost += 2
			f.losesReplies(scripts().pass)
			if len(waiting) == 0 {
				f.losesReplies(scripts().release)
			}
		}
		holder.letsGo()
		if len(waiting) == 0 {
			break
		}
		i := oneOf(t, waiting)
		holder = waiting[i]
		waiting = append(waiting[:i:i], waiting[i+1:]...)
	}
	assert.Equal(t, 2*len(near), lost)
	f.assertLost(lost, near...)
	f.assertFree()
}

// Two releases come at once, one more after them, and one while the next holder has the lock: that
// holder is woken once, and keeps the lock.
func TestHazard20_TwoReleasesAreOne(t *testing.T) {
	t.Parallel()
	s := sharedStore(t)
	m, b := s.monitored(), s.process()
	granted, err := took(b.TryAcquire(t.Context(), claimOf(s.key, "a")))
	require.NoError(t, err)
	require.True(t, granted)
	next, last := s.rival(), s.rival()
	release := func() {
		released, err := b.Release(t.Context(), s.key, "a")
		assert.NoError(t, err)
		assert.True(t, released)
	}
	var both sync.WaitGroup
	both.Go(release)
	both.Go(release)
	both.Wait()
	release()
	next.enters()
	release()
	s.assertHolds(next)
	last.assertOutside()
	assert.Equal(t, 1, m.wakeUps())
	next.letsGo()
	last.takesTurn()
}
