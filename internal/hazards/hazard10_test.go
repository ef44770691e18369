package hazards_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
	"github.com/effectlock/effectlock/schedule"
)

// A request of such a lease is given up after 2 s, so an outage of 4.5 s is seen by
// at least one, and on a slow machine one of 15 s does not yet cost the lock.
func TestHazard10_AnOutageThatIsShorterThanTheLeaseCostsNoLock(t *testing.T) {
	t.Parallel()
	const outage = 4500 * time.Millisecond
	persistent := []string{"--appendonly", "yes", "--appendfsync", "always"}
	for name, c := range map[string]struct {
		args  []string
		fails func(t *testing.T, s store) // returns when the server is well again
		sees  string                      // what the holder's client does: a regular expression
	}{
		"the server is frozen": {nil, func(_ *testing.T, s store) {
			s.Freeze()
			time.Sleep(outage)
			s.Thaw()
		}, "context deadline exceeded"},
		"the server pauses its clients": {nil, func(t *testing.T, s store) {
			require.NoError(t, s.direct.Do(t.Context(), "CLIENT", "PAUSE", outage.Milliseconds(), "ALL").Err())
			time.Sleep(outage)
		}, "context deadline exceeded"},
		"the server is killed, and restarted with its data": {persistent, func(_ *testing.T, s store) {
			s.Kill()
			time.Sleep(outage)
			s.Restart()
		}, "connection refused"},
		"the server is restarted, and takes long to load": {append([]string{"--key-load-delay", "100"}, persistent...), func(t *testing.T, s store) {
			s.fill(t, 12288) // it answers after every 1,024 of them while it loads
			s.Restart()
		}, "LOADING|context deadline exceeded"}, // the latter if the machine is busy
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStore(t, c.args...)
			b := newTries(redis.New(frank(t, s.Addr())))
			var seen witness
			b.failed = seen.note
			holder := contend(t, b, key, mutex.Config{TTL: 20 * time.Second, RefreshInterval: time.Second})
			holder.enters(t, patience)

			c.fails(t, s)
			b.awaitSuccess(t)
			assert.Zero(t, holder.seen(mutex.Lost))
			assert.Regexp(t, c.sees, seen.all())
			holder.letsGo(t)
			s.assertFree(t)
		})
	}
}

// Three tries at once would all fall into an outage of a second. They go on for
// as long as the lease does, whatever policy says when, and the last is
// not long before its end, or under way then.
func TestHazard10_TriesAreSpreadOverWhatIsLeftOfTheLease(t *testing.T) {
	t.Parallel()
	const (
		ttl      = 6 * time.Second
		interval = ttl / 3
		answers  = (ttl - interval) / 2 // a request that is not answered takes that long
	)
	for name, c := range map[string]struct {
		policy  schedule.Schedule
		silent  bool
		atOnce  int           // tries within 1.5 s of the first, at least
		tries   int           // in all, at least
		longest time.Duration // between two tries, or from the last one to the end
	}{
		"refused":            {schedule.Schedule{}, false, 5, 5, 100 * time.Millisecond},
		"refused, thrice":    {schedule.Recurs(2), false, 3, 4, interval},
		"refused, slowly":    {schedule.Spaced(time.Hour), false, 1, 3, interval},
		"unanswered":         {schedule.Schedule{}, true, 1, 2, answers + 100*time.Millisecond},
		"unanswered, thrice": {schedule.Recurs(2), true, 1, 2, answers + time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStore(t)
			b := newTries(redis.New(frank(t, s.Addr())))
			holder := contend(t, b, key, mutex.Config{TTL: ttl, RefreshInterval: interval, BackingFailureRetryPolicy: c.policy})
			holder.enters(t, patience)
			if c.silent {
				s.Freeze()
			} else {
				s.Kill()
			}
			lost := lossOf(t, holder.gone(t, patience))
			end := holder.lastSeen(mutex.Lost) // it was gone only when the release was given up as well
			assert.Equal(t, mutex.Expired, lost.Reason)
			assert.Error(t, lost.Cause)

			tries := b.begun()
			assert.GreaterOrEqual(t, len(tries), c.tries)
			first := tries[0]
			assert.False(t, tries[c.atOnce-1].After(first.Add(3*interval/4)), "they are not spread")
			assert.LessOrEqual(t, len(tries), 100, "it floods the store")
			for i, at := range append(tries[1:], end) {
				assert.Less(t, at.Sub(tries[i]), c.longest+2*little, "after try %d of %d", i+1, len(tries))
			}
		})
	}
}

// frank is a client that tries once, and says what the server said.
func frank(t *testing.T, addr string) *goredis.Client {
	t.Helper()
	c := goredis.NewClient(&goredis.Options{Addr: addr, MaxRetries: -1, DialerRetries: 1})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// fill writes so many keys.
func (s store) fill(t *testing.T, n int) {
	t.Helper()
	pipe := s.direct.Pipeline()
	for i := range n {
		pipe.Set(t.Context(), fmt.Sprint("filler:", i), strings.Repeat("x", 10), 0)
	}
	_, err := pipe.Exec(t.Context())
	require.NoError(t, err)
}
