package hazards_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/memory"
	"github.com/effectlock/effectlock/mutex"
)

const year = 365 * 24 * time.Hour

// refusesConfig asserts that New refuses a configuration, and that the error names the wrong field
// and its value. New has no context, and so asks no server.
func refusesConfig(t *testing.T, key string, c mutex.Config, field string, value any) {
	t.Helper()
	b := memory.New()
	_, err := mutex.New(b, key, c)
	var bad *mutex.ConfigError
	require.ErrorAs(t, err, &bad, "%+v", c)
	assert.Equal(t, field, bad.Field, "%+v", c)
	assert.Equal(t, value, bad.Value, "%+v", c)
	_, err = mutex.Make(key, c)(b)(t.Context())
	assert.ErrorAs(t, err, &bad, "%+v", c)
}

func TestHazard37_ATTLThatCannotBeIsRefused(t *testing.T) {
	t.Parallel()
	for _, ttl := range []time.Duration{math.MinInt64, -time.Second, -1, 1, time.Millisecond - 1, year + 1, math.MaxInt64} {
		refusesConfig(t, "k", mutex.Config{TTL: ttl}, "TTL", ttl)
	}
}

// The server is never asked for less than the user asked for: otherwise the holder would
// rely on a lease that has ended. A TTL of zero means unset: the default, not a lease that
// has ended.
func TestHazard37_ATTLIsRoundedUpOnItsWayToTheServer(t *testing.T) {
	t.Parallel()
	s := sharedStore(t)
	m, b := s.monitored(), spyOn(t, s.process())
	n := 0
	for ttl, want := range map[time.Duration]time.Duration{
		0:                                30 * time.Second,
		2500*time.Millisecond + 1:        2501 * time.Millisecond,
		time.Hour + 100*time.Microsecond: time.Hour + time.Millisecond,
		24*time.Hour + 999_999:           24*time.Hour + time.Millisecond,
		year:                             year,
	} {
		n++
		config := mutex.Config{TTL: ttl, RefreshInterval: short}
		holder := s.holdKey(s.name(n), b, config)
		next := s.wantKey(holder.key, b, config) // the lock is passed to it
		next.waits()
		b.refreshes()
		holder.letsGo()
		next.takesTurn()
		taken, set := m.leases(holder.key)
		assert.Equal(t, []time.Duration{want}, taken[:1], "%v", ttl)
		assert.NotEmpty(t, set)
		for _, lease := range append(taken, set...) {
			assert.Equal(t, want, lease, "%v", ttl)
		}
	}
}

// A lease that is refreshed too late has ended by then: New refuses such an interval,
// without a request to the server.
func TestHazard38_AnIntervalThatLosesTheLeaseIsRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ ttl, interval time.Duration }{
		{time.Second, time.Second},
		{time.Second, 989 * time.Millisecond}, // within the margin for clocks that differ
		{time.Second, -1},
		{time.Second, math.MinInt64},
		{0, 30 * time.Second},
	} {
		refusesConfig(t, "k", mutex.Config{TTL: c.ttl, RefreshInterval: c.interval}, "RefreshInterval", c.interval)
	}
	refusesConfig(t, "k", mutex.Config{AcquireRetryInterval: -1}, "AcquireRetryInterval", time.Duration(-1))
	for _, interval := range []time.Duration{1, 500 * time.Millisecond, 989*time.Millisecond - 1} {
		_, err := mutex.New(memory.New(), "k", mutex.Config{TTL: time.Second, RefreshInterval: interval})
		assert.NoError(t, err, "%v", interval)
	}
}

func TestHazard39_AnEmptyKeyIsRefused(t *testing.T) {
	t.Parallel()
	refusesConfig(t, "", mutex.Config{}, "key", "")
}

// An empty holder id means unset: nobody holds under it, and two mutexes that leave it
// empty are not the same holder.
func TestHazard39_AnEmptyHolderIDIsAnIDOfItsOwn(t *testing.T) {
	t.Parallel()
	everywhere(t, func(a *arena, process func() backing.Backing) {
		b := process()
		one := a.hold(b, mutex.Config{TTL: long, HolderID: ""})
		ran, err := mutex.WithLockIfAvailable(newMutex(a.t, b, a.key, mutex.Config{HolderID: ""}), nothing)(a.t.Context())
		require.NoError(a.t, err)
		assert.False(a.t, isSome(ran))
		assert.GreaterOrEqual(a.t, len(one.holder), 16, "%q can be guessed", one.holder)
		one.letsGo()
	})
}

// Another client of the same scheme may hold a lock under an empty id. That is a holder
// too: the lock is not free.
func TestHazard39_AForeignHolderWithoutAnIDHasTheLock(t *testing.T) {
	t.Parallel()
	s := sharedStore(t)
	require.NoError(t, s.direct.Set(t.Context(), lockKey(s.key), "", long).Err())
	m := newMutex(t, s.process(), s.key, mutex.Config{TTL: long})
	ran, err := mutex.WithLockIfAvailable(m, nothing)(t.Context())
	require.NoError(t, err)
	assert.False(t, isSome(ran))
	waiter := s.rival()
	waiter.assertOutside()
	s.deletes(s.key)
	waiter.takesTurn()
}

// Holders are different even if one's id is a prefix of another's, or looks like a separator of
// the store; and so are keys.
func TestHazard40_AnIDOrKeyThatBeginsAnotherIsAnother(t *testing.T) {
	t.Parallel()
	everywhere(t, func(a *arena, process func() backing.Backing) {
		var all []*contender
		b := process()
		for i, id := range []string{"job-1", "job-12", "job", "6:dmutex:job", "2000 push:x job", "job\x00"} {
			c := a.want(b, mutex.Config{TTL: long, HolderID: id})
			if i == 0 {
				c.enters()
			} else {
				c.waits()
			}
			other := a.holdKey(a.key+id, b, mutex.Config{TTL: long, HolderID: "job"})
			defer other.letsGo() // each has its own lock
			all = append(all, c)
		}
		for _, c := range all {
			c.takesTurn() // one at a time, and in this order
		}
	})
}

// What Config.HolderID says: "All acquisitions under one id are the same holder:
// the lock does not keep them from each other, and the release of one releases all."
// The other finds out at its next refresh.
func TestHazard41_OneIDIsOneHolderOfWhichEitherLetsGoForBoth(t *testing.T) {
	t.Parallel()
	everywhere(t, func(a *arena, process func() backing.Backing) {
		a.expectsTwo()
		b := process()
		config := mutex.Config{TTL: long, RefreshInterval: short, HolderID: "job-7"}
		one := a.hold(b, config)
		same := a.hold(b, config)
		assert.GreaterOrEqual(a.t, same.token, one.token, "the later answer counts")
		other := a.wait(b, mutex.Config{TTL: long, HolderID: "job-8"})
		other.assertOutside()
		one.letsGo()
		other.enters()
		assert.Greater(a.t, other.token, same.token)
		same.loses(mutex.Taken)
		other.letsGo() // the loser has not taken the next one's lock with it
	})
}

// A waiter with another TTL gets a lease of its own: once inside it has its whole TTL, and
// never had more, with which it would keep others out for longer than it said. That holds
// from process to process and from goroutine to goroutine.
func TestHazard42_ALeaseThatIsHandedOnIsThatOfTheNext(t *testing.T) {
	t.Parallel()
	const brief = 10 * time.Minute
	for name, far := range map[string]bool{"in one process": false, "from process to process": true} {
		for order, ttls := range map[string][2]time.Duration{"a longer one first": {time.Hour, brief}, "a shorter one first": {brief, time.Hour}} {
			t.Run(order+" "+name, func(t *testing.T) {
				t.Parallel()
				s := sharedStore(t)
				m, b := s.monitored(), s.process()
				first := s.hold(b, mutex.Config{TTL: ttls[0]})
				if far {
					b = s.process()
				}
				second := s.want(b, mutex.Config{TTL: ttls[1]})
				second.waits()
				if far {
					s.awaitQueue(1)
				}
				assert.InDelta(t, ttls[0], s.ttl(s.key), float64(soon))
				first.letsGo()
				second.enters()
				assert.InDelta(t, ttls[1], s.ttl(s.key), float64(soon), "it does not have its whole lease")
				_, set := m.leases(s.key)
				for _, lease := range set {
					assert.LessOrEqual(t, lease, ttls[1])
				}
				second.letsGo()
			})
		}
	}
}
