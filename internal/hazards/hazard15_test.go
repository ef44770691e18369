package hazards_test

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing/memory"
	"github.com/effectlock/effectlock/mutex"
)

// A lock is held for as long as it is held, and then for a lease, whatever the
// time is: a waiter gets it by a release, and after a crash when the lease ends.
//
//nolint:paralleltest // the environment of the server is that of the test
func TestHazard15_AClockThatIsHoursOffChangesNothing(t *testing.T) {
	for _, ahead := range []time.Duration{-5 * time.Hour, 5 * time.Hour} {
		t.Run(ahead.String(), func(t *testing.T) {
			s, _ := newSkewedStore(t, ahead)
			const ttl = time.Second
			a := contend(t, s.process(t), key, mutex.Config{TTL: ttl})
			a.enters(t, patience)
			b := contend(t, s.process(t), key, mutex.Config{TTL: ttl})
			b.waits(t)
			select {
			case <-b.inside:
				require.Fail(t, "two are inside")
			case <-time.After(ttl + little/2): // longer than a lease that is not refreshed
			}
			a.letsGo(t)
			b.enters(t, little)
			b.letsGo(t)
			assert.Greater(t, b.token, a.token)

			crashed := launch(t, orders{Addr: s.Addr(), TTL: ttl})
			token := crashed.says("inside", patience).Token
			assert.Greater(t, token, b.token)
			crashed.kill()
			c := contend(t, s.process(t), key, mutex.Config{TTL: long})
			began, left := time.Now(), s.ttl(t, key)
			c.enters(t, left+little)
			assert.GreaterOrEqual(t, c.since.Sub(began), left-10*time.Millisecond, "before the lease had ended")
			assert.Greater(t, c.token, token)
			s.assertOf(t, c)
			c.letsGo(t)
			s.assertFree(t)
		})
	}
}

// Redis ends leases by its wall clock. If that is set back while a lock is held,
// the lease in the store ends late, which costs time alone; if it is set forward,
// the lease ends early, and the holder learns so by its next refresh. Tokens rise
// all the same, so a resource that is fenced takes no harm.
//
//nolint:paralleltest // the environment of the server is that of the test
func TestHazard15_AServerWhoseClockIsSetWhileALockIsHeld(t *testing.T) {
	s, clock := newSkewedStore(t, 0)
	const interval = time.Second
	config := mutex.Config{TTL: long, RefreshInterval: interval}
	tries := newTries(s.process(t))
	a := contend(t, tries, key, config)
	a.enters(t, patience)

	clock.set(t, -3*time.Hour)
	tries.awaitSuccess(t)
	assert.LessOrEqual(t, s.ttl(t, key), long, "a refresh counts the lease by the new time")
	a.letsGo(t)
	b := contend(t, s.process(t), key, config)
	b.enters(t, little)
	assert.Greater(t, b.token, a.token, "by the clock alone it would be lower")

	clock.set(t, 4*time.Hour)
	assert.Equal(t, mutex.Gone, lossOf(t, b.gone(t, interval+2*little)).Reason)
	c := contend(t, s.process(t), key, config)
	c.enters(t, little)
	assert.Greater(t, c.token, b.token)

	clock.set(t, -24*time.Hour)
	c.letsGo(t)
	d := contend(t, s.process(t), key, config)
	d.enters(t, little)
	assert.Greater(t, d.token, c.token)
	d.letsGo(t)
}

// What a client sends says nothing about what time it has: it has durations
// alone, and numbers that the server told.
func TestHazard15_NoCommandTellsTheTimeOfTheClient(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	heard := s.listenIn(t)
	began := time.Now()
	config := mutex.Config{TTL: 3 * time.Second, RefreshInterval: 200 * time.Millisecond}
	tries := newTries(s.process(t))
	a := contend(t, tries, key, config)
	a.enters(t, patience)
	b := contend(t, s.process(t), key, config)
	b.waits(t)
	tries.awaitSuccess(t)
	a.letsGo(t)
	b.enters(t, patience)
	b.letsGo(t)
	eventually(t, func() bool { return heard.count("evalsha", b.holder) >= 2 }, "all is heard")

	// A clock in s, ms, µs or ns would differ from ours by less than a day. The
	// tokens and the places in the queue are made by the scripts, which tell the
	// server's time; so only what clients say counts.
	day := 24 * time.Hour
	for _, said := range heard.byClients() {
		for _, number := range regexp.MustCompile(`\d{9,}`).FindAllString(said, -1) {
			var n int64
			if _, err := fmt.Sscan(number, &n); err != nil {
				continue // too long for a time
			}
			for _, unit := range []time.Duration{time.Second, time.Millisecond, time.Microsecond, time.Nanosecond} {
				at := time.Unix(0, 0).Add(time.Duration(min(n, int64(1<<62)/int64(unit))) * unit)
				assert.Greater(t, at.Sub(began).Abs(), day, "a time is among the arguments: %s", said)
			}
		}
	}
	assert.NotEmpty(t, heard.byClients())
}

// The clock of a bubble says the year 2000, and jumps as fast as anybody waits.
func TestHazard15_InMemoryAClockThatIsDecadesOffChangesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		require.Equal(t, 2000, time.Now().UTC().Year())
		store := memory.New()
		a := contend(t, store, key, mutex.Config{})
		a.enters(t, patience)
		b := contend(t, store, key, mutex.Config{})
		time.Sleep(24 * time.Hour)
		select {
		case <-b.inside:
			require.Fail(t, "two are inside")
		default:
		}
		a.letsGo(t)
		b.enters(t, little)
		assert.Greater(t, b.token, a.token)
		b.letsGo(t)
	})
}

// No package of the lock reads the wall clock at all: a time that left the process
// would have to be made a number or a text first, and one that is to be compared as the
// wall clock says would have to lose its monotonic reading.
func TestHazard15_NoTimeIsMadeANumberOrAText(t *testing.T) {
	t.Parallel()
	leaves := regexp.MustCompile(`\.(?:(?:Unix\w*|Format|AppendFormat|MarshalJSON|MarshalText|MarshalBinary|Date|AddDate|Clock|YearDay|UTC|Local|In)\(|(?:Round|Truncate)\(0\))`)
	for _, dir := range []string{
		"mutex", "redis", "redis/internal/pipeline", "redis/internal/push", "redis/internal/script", "redis/internal/slot", "effect", "schedule",
	} {
		files, err := os.ReadDir("../../" + dir)
		require.NoError(t, err)
		read := 0
		for _, file := range files {
			name := dir + "/" + file.Name()
			if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
				continue
			}
			source, err := os.ReadFile("../../" + name)
			require.NoError(t, err)
			assert.Empty(t, leaves.FindAllString(string(source), -1), name)
			read++
		}
		assert.Positive(t, read, dir)
	}
}
