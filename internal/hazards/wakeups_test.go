package hazards_test

import (
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/redistest"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
	"github.com/effectlock/effectlock/schedule"
)

// When the lock is released, the waiter is not in the queue yet and cannot be woken. So it
// asks again once it is subscribed, and does not just wait for the next release.
func TestHazard22_AReleaseBeforeTheSubscriptionIsNotMissed(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	holder := s.hold(s.process())
	network, b := s.listener()
	network.Cut()
	asked := s.scripts()
	waiter := s.want(b)
	eventually(t, func() bool { return s.scripts() > asked }, "the waiter tries")
	holder.letsGo()
	require.Zero(t, s.ran("subscribe"))
	require.Zero(t, s.queued(s.key))
	network.Heal()
	waiter.takesTurn()
	assert.Equal(t, 1, s.ran("subscribe"))
}

// told is a holder, and a waiter of another process that is woken through the network.
func told(t *testing.T, s store) (*redistest.Proxy, *contender, *contender) {
	t.Helper()
	holder := s.hold(s.process())
	network, b := s.listener()
	waiter := s.want(b)
	s.awaitQueue(1)
	return network, holder, waiter
}

// A waiter asks every 1.5 s, whatever it receives. Waiters behind one that was not woken lose no more
// time than that one.
func TestHazard23_AMessageThatIsLostCostsNoMoreThanTheBound(t *testing.T) {
	t.Parallel()
	for name, loses := range map[string]func(network *redistest.Proxy){
		"by itself":             func(p *redistest.Proxy) { p.DropNotifications(func() bool { return true }) },
		"with the subscription": (*redistest.Proxy).Cut,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := sharedStore(t)
			network, holder, waiter := told(t, s)
			next := s.rival()
			m := s.monitored()
			loses(network)
			holder.letsGo()
			waiter.enters()
			assert.Equal(t, 1, m.wakeUps())
			next.assertOutside()
			waiter.letsGo()
			next.takesTurn()
		})
	}
}

// A waiter whose subscription breaks, or is restored, may have missed something, and asks at once.
func TestHazard23_AReleaseDuringAReconnectionIsNotMissed(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	network, holder, waiter := told(t, s)
	network.Cut()
	network.Reset()
	s.awaitListeners(0)
	holder.letsGo()
	network.Heal()
	waiter.takesTurn()
}

// A holder that is killed publishes nothing. The waiter knows when its lease ends,
// and asks then, and every 1.5 s.
func TestHazard24_TheLockOfAKilledProcessIsHadWhenItsLeaseEnds(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	o := orders{TTL: lease}
	holder := s.launch(o)
	first := holder.says("inside")
	waiter := s.launch(o)
	waiter.says("waiting")
	holder.Kill()
	asked, now := s.scripts(), time.Now()
	earliest := now.Add(s.ttl(s.key) - time.Millisecond) // the server rounds the TTL
	next := waiter.says("inside")
	assert.True(t, time.Now().After(earliest), "before the lease had ended")
	assert.Greater(t, next.Token, first.Token)
	assert.LessOrEqual(t, s.scripts()-asked, 6, "it polled")
	waiter.dismiss()
	s.assertFree()
}

// The policy of a waiter that will be woken says when to give up. A server that freezes while the
// waiter is in its queue is not asked before the policy ends: so the lock was not acquired, and the
// observer is notified that the server did not take the waiter out of its queue.
func TestHazard25_ABoundedPolicyEndsThoughNobodyLetsGoAndTheServerIsFrozen(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		policy schedule.Schedule
		frozen bool
	}{
		"after a time":             {schedule.Spaced(short / 8).UpTo(short), false},
		"after 5 tries":            {schedule.Spaced(short / 5).Intersect(schedule.Recurs(5)), false},
		"while the server freezes": {schedule.Spaced(short / 8).UpTo(3 * short), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newStore(t).at(goredis.Options{})
			holder := f.hold(f.process(), mutex.Config{TTL: 10 * long})
			asked, mend, inTime := f.scripts(), func() {}, false
			waiter := f.want(f.near, mutex.Config{TTL: long, AcquireRetryPolicy: c.policy})
			if c.frozen {
				f.awaitQueue(1)
				mend = frozen.begin(f)
				inTime = waiter.seen(mutex.NotAcquired) == 0
			}
			var refused *mutex.LockNotAcquiredError
			require.ErrorAs(t, waiter.gone(), &refused)
			assert.Greater(t, refused.Waited, short-short/4)
			_, err := mutex.AwaitCleanup(f.near)(t.Context())
			require.NoError(t, err)
			mend()
			assert.Equal(t, inTime, waiter.seen(mutex.BackingFailed) > 0)
			if !c.frozen {
				assert.LessOrEqual(t, f.scripts()-asked, 3, "it polled") // requests to try, join the queue and leave it
			}
			holder.letsGo()
			f.isFree()
		})
	}
}

// A waiter that cannot subscribe polls, and tries to subscribe at most every 2 s, on a connection
// that is then closed.
func TestHazard28_AWaiterThatCanNeverSubscribePolls(t *testing.T) {
	t.Parallel()
	const interval, watched = 50 * time.Millisecond, 3 * time.Second
	for _, c := range []struct {
		name string
		args []string
		user string
	}{
		{"because the user has no channels", nil, "mute"},
		{"because the server does not know the command", []string{"--rename-command", "SUBSCRIBE", ""}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newStore(t, c.args...)
			s.Allow("mute", "on", ">mute", "~*", "+@all", "resetchannels")
			holder := s.hold(s.process())
			b := redis.New(s.client(goredis.Options{Username: c.user, Password: c.user}))
			waiter := s.want(b, mutex.Config{TTL: long, AcquireRetryInterval: interval})
			waiter.awaits(mutex.Polling)
			assert.ErrorContains(t, waiter.lastError(mutex.Polling), "SUBSCRIBE")
			polls, made, open := s.scripts(), s.connections(), s.clients("normal")
			time.Sleep(watched)
			assert.LessOrEqual(t, s.connections()-made, 10, "the waiter connects in a loop")
			assert.LessOrEqual(t, s.clients("normal")-open, 2, "connections are left open")
			assert.LessOrEqual(t, s.ran("subscribe"), 10, "the waiter subscribes in a loop")
			polls = s.scripts() - polls
			assert.LessOrEqual(t, polls, 3*int(watched/interval), "the waiter polls in a loop")
			assert.Positive(t, polls, "the waiter does not poll")
			assert.Equal(t, 1, waiter.seen(mutex.Polling))
			holder.letsGo()
			waiter.takesTurn()
		})
	}
}
