package mutex_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/schedule"
)

// Whatever the durations, a mutex is refused with an error that names one of them,
// or it holds the lock for as long as the work takes, several refreshes later too.
func FuzzConfig(f *testing.F) {
	const day = 24 * time.Hour
	for _, d := range [][3]time.Duration{
		{0, 0, 0}, {-1, 0, 0}, {1, 0, 0}, {time.Millisecond, 0, 0}, {time.Millisecond + 1, 0, 0}, {time.Millisecond, 1, 1}, {2 * time.Millisecond, 1900 * time.Microsecond, 0},
		{time.Second, time.Second, 0}, {time.Second, 989*time.Millisecond - 1, 0}, {0, -1, 0}, {0, 0, -1}, {365 * day, 364 * day, day}, {365*day + 1, 0, 0},
		{1<<63 - 1, 1, 1}, {-1 << 63, -1 << 63, -1 << 63}, {1<<63 - 1, 1<<63 - 1, 1<<63 - 1}, {time.Second, 1, 1<<63 - 1}, {time.Hour, 59 * time.Minute, 1},
	} {
		f.Add(int64(d[0]), int64(d[1]), int64(d[2]), "")
	}
	f.Add(int64(0), int64(0), int64(0), "job-7\x00\xff")
	f.Fuzz(func(t *testing.T, ttl, refresh, retry int64, holder string) {
		synctest.Test(t, func(t *testing.T) {
			asked := mutex.Config{TTL: time.Duration(ttl), RefreshInterval: time.Duration(refresh), AcquireRetryInterval: time.Duration(retry), HolderID: holder}
			s := newStore()
			longest := time.Duration(0)
			s.on(func(ctx context.Context, r *request) error {
				longest = max(longest, r.claim.TTL)
				return r.send(ctx)
			}, "refresh")
			s.on(func(ctx context.Context, r *request) error {
				c := r.claim
				assert.GreaterOrEqual(t, c.TTL, asked.TTL)
				assert.GreaterOrEqual(t, c.TTL, time.Millisecond)
				assert.Less(t, c.TTL-max(asked.TTL, c.TTL-time.Millisecond+1), time.Millisecond)
				assert.Zero(t, c.TTL%time.Millisecond)
				assert.NotEmpty(t, c.Holder)
				return r.send(ctx)
			}, "tryAcquire")
			m, err := mutex.New(s, key, asked)
			if err != nil {
				var bad *mutex.ConfigError
				require.ErrorAs(t, err, &bad)
				value, known := map[string]time.Duration{"TTL": asked.TTL, "RefreshInterval": asked.RefreshInterval, "AcquireRetryInterval": asked.AcquireRetryInterval}[bad.Field]
				assert.True(t, known, bad.Field)
				assert.Equal(t, value, bad.Value)
				assert.NotZero(t, value, "what is not set has a default")
				return
			}
			interval := asked.RefreshInterval
			if interval == 0 {
				interval = asked.TTL / 3
			}
			if interval == 0 {
				interval = 10 * time.Second
			}
			_, err = mutex.WithLock(m, sleep(5*interval))(t.Context())
			require.NoError(t, err)
			if asked.TTL > 0 {
				assert.GreaterOrEqual(t, longest, asked.TTL)
			}
			assert.Positive(t, s.called("refresh"))
			waits(t, s, asked)
			s.requireFree(t)
		})
	})
}

// waits has another wait for a moment with the same durations.
func waits(t *testing.T, s *store, c mutex.Config) {
	t.Helper()
	s.grant("before", time.Millisecond)
	c.AcquireRetryPolicy = schedule.Spaced(time.Millisecond)
	m, err := mutex.New(s, key, c)
	require.NoError(t, err)
	_, err = mutex.WithLock(m, sleep(0))(t.Context())
	require.NoError(t, err)
}
