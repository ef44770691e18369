package hazards_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/mutex"
)

// Whatever the time is, a lock is held until its release, or until the lease ends: that is
// when a waiter gets it after a crash.
//
//nolint:paralleltest // the environment of the server is that of the test
func TestHazard15_AClockThatIsHoursOffChangesNothing(t *testing.T) {
	const ttl = time.Second
	var all []store
	for _, ahead := range []time.Duration{-5 * time.Hour, 5 * time.Hour} {
		s, _ := newSkewedStore(t, ahead)
		all = append(all, s)
	}
	var holders, waiters []*contender
	for _, s := range all {
		holders = append(holders, s.hold(s.process(), mutex.Config{TTL: ttl, RefreshInterval: ttl / 10}))
		waiters = append(waiters, s.rival())
	}
	time.Sleep(2 * ttl) // longer than a lease that is not refreshed
	for i, s := range all {
		holders[i].letsGo()
		waiters[i].takesTurn()
		crashed := s.launch(orders{TTL: ttl})
		token := crashed.says("inside").Token
		assert.Greater(t, token, waiters[i].token)
		crashed.Kill()
		began, left := time.Now(), s.ttl(s.key)
		next := s.hold(s.process())
		assert.GreaterOrEqual(t, next.since.Sub(began), left-10*time.Millisecond, "before the lease had ended")
		assert.Greater(t, next.token, token)
		assert.LessOrEqual(t, s.ttl(s.key), long)
		next.letsGo()
		s.assertFree()
	}
}

// Redis ends leases by its wall clock. If that is set back while a lock is held, the
// lease in the store ends late, which only costs time; if it is set forward, the lease
// ends early, and the holder finds out at its next refresh. Tokens still rise, so a
// fenced resource takes no harm.
//
//nolint:paralleltest // the environment of the server is that of the test
func TestHazard15_AServerWhoseClockIsSetWhileALockIsHeld(t *testing.T) {
	s, clock := newSkewedStore(t, 0)
	config := mutex.Config{TTL: long, RefreshInterval: time.Second / 2}
	b := spyOn(t, s.process())
	first := s.hold(b, config)
	clock.set(t, -3*time.Hour)
	b.refreshes()
	assert.LessOrEqual(t, s.ttl(s.key), long, "a refresh counts the lease by the new clock")
	first.letsGo()
	second := s.hold(s.process(), config) // by the clock alone, its token would be lower
	clock.set(t, 4*time.Hour)
	second.loses(mutex.Gone)
	third := s.hold(s.process(), config)
	clock.set(t, -24*time.Hour)
	third.letsGo()
	s.hold(s.process(), config).letsGo()
}

// No package of the lock reads the wall clock at all: a time that left the process would
// first have to become a number or a text, and one that is compared by the wall clock
// would have to lose its monotonic reading.
func TestHazard15_NoTimeIsMadeANumberOrAText(t *testing.T) {
	t.Parallel()
	leaves := regexp.MustCompile(`\.(?:(?:Unix\w*|Format|AppendFormat|MarshalJSON|MarshalText|MarshalBinary|Date|AddDate|Clock|YearDay|UTC|Local|In)\(|(?:Round|Truncate)\(0\))`)
	for _, dir := range []string{"mutex", "redis", "redis/internal", "effect", "schedule"} {
		read := 0
		require.NoError(t, filepath.WalkDir("../../"+dir, func(name string, _ os.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
				return err
			}
			if filepath.Base(name) == "at.go" { // schedule.At, which nothing of the lock uses
				return nil
			}
			source, err := os.ReadFile(name)
			assert.Empty(t, leaves.FindAllString(string(source), -1), name)
			read++
			return err
		}))
		assert.Positive(t, read, dir)
	}
}
