package hazards_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/mutex"
)

// A lease that is refreshed too late has ended by then: such an interval is
// refused when the mutex is made, without a word to the server.
func TestHazard38_AnIntervalThatLosesTheLeaseIsRefused(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	b, asked := s.process(t), s.scripts(t)
	for _, c := range []struct {
		ttl, interval, retry time.Duration
		field                string
	}{
		{time.Second, time.Second, 0, "RefreshInterval"},
		{time.Second, time.Second + 1, 0, "RefreshInterval"},
		{time.Second, 2 * time.Second, 0, "RefreshInterval"},
		{time.Second, math.MaxInt64, 0, "RefreshInterval"},
		{time.Second, 989 * time.Millisecond, 0, "RefreshInterval"}, // in what is kept back for clocks that differ
		{time.Second, -1, 0, "RefreshInterval"},
		{time.Second, -time.Second, 0, "RefreshInterval"},
		{time.Second, math.MinInt64, 0, "RefreshInterval"},
		{0, 30 * time.Second, 0, "RefreshInterval"},
		{0, time.Hour, 0, "RefreshInterval"},
		{time.Millisecond, time.Millisecond, 0, "RefreshInterval"},
		{year, year, 0, "RefreshInterval"},
		{0, 0, -1, "AcquireRetryInterval"},
		{0, 0, math.MinInt64, "AcquireRetryInterval"},
	} {
		config := mutex.Config{TTL: c.ttl, RefreshInterval: c.interval, AcquireRetryInterval: c.retry}
		_, err := mutex.New(b, key, config)
		var bad *mutex.ConfigError
		require.ErrorAs(t, err, &bad, "%+v", c)
		assert.Equal(t, c.field, bad.Field, "%+v", c)
		assert.Equal(t, c.interval+c.retry, bad.Value, "%+v", c) // one of them is not set
		assert.Contains(t, err.Error(), "positive duration", "%+v", c)

		_, err = mutex.Make(key, config)(b)(t.Context())
		assert.ErrorAs(t, err, &bad, "%+v", c)
	}
	assert.Equal(t, asked, s.scripts(t))
}

// The longest and the shortest that are not refused.
func TestHazard38_AnIntervalWithinTheLeaseIsNotRefused(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	for _, interval := range []time.Duration{1, time.Millisecond, 500 * time.Millisecond, 989*time.Millisecond - 1} {
		_, err := mutex.New(s.process(t), key, mutex.Config{TTL: time.Second, RefreshInterval: interval})
		assert.NoError(t, err, "%v", interval)
	}
}
