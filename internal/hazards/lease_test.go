package hazards_test

import (
	"context"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
	"github.com/effectlock/effectlock/schedule"
)

// lag is how long a reply takes: much more than the margin of 1 % of a lease, so that a deadline
// that is counted from the reply is too late.
const lag = 200 * time.Millisecond

// Only the holder cannot reach the server. The rival has the lock when the lease ends in the store:
// the judge checks the context of the holder's work at that moment.
func TestHazard08_AHolderThatIsCutOffStopsBeforeAnotherBegins(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		fault fault
		when  string
	}{
		{cut, "amid a refresh"},
		{muted, "amid a refresh"},
		{broken, "amid a refresh"},
		{refused, "between refreshes"},
		{cut, "before the first refresh"},
	} {
		t.Run(c.fault.name+", "+c.when, func(t *testing.T) {
			t.Parallel()
			f := sharedStore(t).at(goredis.Options{})
			f.network.Delay(lag)
			b := spyOn(t, f.near)
			config := mutex.Config{TTL: lease, RefreshInterval: 2 * lag}
			if c.when == "before the first refresh" {
				config.RefreshInterval = lease / 2
			}
			holder := f.hold(b, config)
			rival := f.rival()
			if c.when != "before the first refresh" {
				b.refreshes()
			}
			if c.when == "amid a refresh" {
				b.inFlight(1)
			}
			mend := c.fault.begin(f)
			rival.enters()
			mend()
			holder.loses(mutex.Expired)
			f.assertHolds(rival)
			rival.letsGo()
			f.isFree()
		})
	}
}

// The server has extended the lease and says so, but by then the holder can no longer know
// that nobody else had the lock. Work that did not check its context and ended after the reply
// has run under a lost lock too.
func TestHazard09_ARefreshThatIsAnsweredAfterTheDeadlineIsTooLate(t *testing.T) {
	t.Parallel()
	for name, patient := range map[string]bool{"the request ends with the lease": false, "the reply arrives while the work goes on": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := sharedStore(t).at(goredis.Options{})
			// A usually fast server is not waited for on one connection: the refresh would be
			// sent again on the next.
			f.network.Delay(short / 10)
			b := spyOn(t, f.near)
			b.patient = patient
			var told events
			m := newMutex(t, b, f.key, mutex.Config{TTL: lease / 2, RefreshInterval: lease * 2 / 5, Observer: mutex.Observe(told.observe)})
			_, err := mutex.WithLock(m, func(ctx context.Context) (effect.Void, error) {
				f.network.Delay(2 * short) // less than any timeout
				<-ctx.Done()
				if !patient {
					return effect.Void{}, ctx.Err()
				}
				eventually(t, func() (held bool) { b.read(func() { held = b.counts["held"] > 0 }); return held }, "the reply arrives")
				return effect.Void{}, nil
			})(t.Context())
			assert.Equal(t, mutex.Expired, lossOf(t, err).Reason)
			assert.Equal(t, 1, told.seen(mutex.Lost))
			assert.Zero(t, told.seen(mutex.Released))
			f.network.Heal()
			f.isFree() // the lease that the late request extended is released
		})
	}
}

// frank is a client that tries once, and returns the server's error.
var frank = goredis.Options{MaxRetries: -1, DialerRetries: 1}

// Such a lease's requests are given up after 2 s, so that each outage affects at least one, and does
// not yet cost the lock on a slow machine.
func TestHazard10_AnOutageThatIsShorterThanTheLeaseCostsNoLock(t *testing.T) {
	t.Parallel()
	sees := map[string]string{ // what the holder's client does
		frozen.name: "context deadline exceeded", paused.name: "context deadline exceeded", killed.name: "connection refused",
	}
	each(t, []fault{frozen, paused, killed}, func(t *testing.T, outage fault) {
		f := newStore(t, "--appendonly", "yes", "--appendfsync", "always").at(goredis.Options{})
		b := spyOn(t, redis.New(f.client(frank)))
		holder := f.hold(b, mutex.Config{TTL: 20 * time.Second, RefreshInterval: time.Second})
		mend := outage.begin(f)
		holder.awaits(mutex.BackingFailed)
		mend()
		b.refreshes()
		assert.Zero(t, holder.seen(mutex.Lost))
		b.read(func() { assert.Contains(t, b.failed, sees[outage.name]) })
		holder.letsGo()
		f.assertFree()
	})
}

// Three tries at once would all fall into an outage of a second. They continue for as long as
// the lease, whatever policy times them.
func TestHazard10_TriesAreSpreadOverWhatIsLeftOfTheLease(t *testing.T) {
	t.Parallel()
	const interval = lease / 3
	for name, c := range map[string]struct {
		policy schedule.Schedule
		fault  fault
		late   time.Duration // from the first try to the last one, at least
	}{
		"refused":            {schedule.Schedule{}, killed, interval},
		"refused, thrice":    {schedule.Recurs(2), killed, interval / 2},
		"refused, slowly":    {schedule.Spaced(time.Hour), killed, interval / 2},
		"unanswered, thrice": {schedule.Recurs(2), frozen, interval / 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newStore(t).at(goredis.Options{})
			b := spyOn(t, redis.New(f.client(frank)))
			holder := f.hold(b, mutex.Config{TTL: lease, RefreshInterval: interval, BackingFailureRetryPolicy: c.policy})
			c.fault.begin(f)
			holder.loses(mutex.Expired)
			assert.Error(t, holder.loss.Cause)
			b.read(func() {
				assert.LessOrEqual(t, len(b.tries), 100, "the refreshes flood the store")
				first, last := b.tries[0], b.tries[len(b.tries)-1]
				assert.Greater(t, last.Sub(first), c.late, "%d tries", len(b.tries))
			})
		})
	}
}

// An acquire writes the key, and the release of a held lock writes its memory. So if the server
// has executed no other SET since the loss, nobody has recreated the key, not even for a moment.
func TestHazard11_AKeyThatIsGoneIsALockLostAtTheNextRefresh(t *testing.T) {
	t.Parallel()
	each(t, []fault{restarted, flushed, deleted}, func(t *testing.T, fault fault) {
		f := newStore(t).at(goredis.Options{})
		b := spyOn(t, f.process())
		config := mutex.Config{TTL: long, RefreshInterval: time.Second}
		lost := append(f.crowd(b, 20, config), f.hold(b, config))
		b.inFlight(2)
		fault.begin(f)
		written := f.ran("set")
		var kept []*contender
		if fault.name == deleted.name {
			lost, kept = lost[20:], lost[:20]
		}
		for _, one := range lost {
			one.loses(mutex.Gone)
		}
		assert.Equal(t, written, f.ran("set"), "somebody wrote a key")
		for _, one := range kept {
			one.letsGo()
		}
		f.assertFree()
	})
}
