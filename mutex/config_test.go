package mutex_test

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/memory"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/schedule"
)

func TestBadArgumentsAreRefusedWhenTheMutexIsMade(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		store   backing.Backing
		key     string
		config  mutex.Config
		field   string
		message string
	}{
		{"no backing", nil, key, mutex.Config{}, "backing", "mutex: backing is <nil>, want a store, such as memory.New()"},
		{"a backing that is a nil pointer", (*memory.Backing)(nil), key, mutex.Config{}, "backing", "want a store, such as memory.New()"},
		{"a backing that == cannot compare", incomparable{}, key, mutex.Config{}, "backing", "such as a pointer"},
		{"no key", memory.New(), "", mutex.Config{}, "key", `mutex: key is "", want a name that is not empty`},
		{"negative TTL", memory.New(), key, mutex.Config{TTL: -time.Second}, "TTL", "mutex: TTL is -1s, want a duration from 1ms to 8760h0m0s, or 0 for 30s"},
		{"TTL too short", memory.New(), key, mutex.Config{TTL: 999 * time.Microsecond}, "TTL", "999µs"},
		{"TTL too long", memory.New(), key, mutex.Config{TTL: math.MaxInt64}, "TTL", "8760h"},
		{"negative refresh interval", memory.New(), key, mutex.Config{RefreshInterval: -1}, "RefreshInterval", "shorter than 29.699s"},
		{"refresh interval of a TTL", memory.New(), key, mutex.Config{TTL: time.Second, RefreshInterval: time.Second}, "RefreshInterval", "is 1s, want a positive duration shorter than 989ms, which is the TTL of 1s less a margin"},
		{"refresh interval in the safety margin", memory.New(), key, mutex.Config{TTL: time.Second, RefreshInterval: 990 * time.Millisecond}, "RefreshInterval", "is 990ms"},
		{"refresh interval over the default TTL", memory.New(), key, mutex.Config{RefreshInterval: time.Minute}, "RefreshInterval", "1m0s"},
		{"negative acquire timeout", memory.New(), key, mutex.Config{AcquireTimeout: -1}, "AcquireTimeout", "-1ns, want a positive duration, or 0 for no bound"},
		{"negative acquire interval", memory.New(), key, mutex.Config{AcquireRetryInterval: -1}, "AcquireRetryInterval", "-1ns"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := mutex.New(c.store, c.key, c.config)
			bad := asA[*mutex.ConfigError](t, err)
			assert.Equal(t, c.field, bad.Field)
			assert.Contains(t, bad.Error(), c.message)

			_, err = mutex.Make(c.key, c.config)(c.store)(t.Context())
			requireA[*mutex.ConfigError](t, err)
		})
	}
}

// A process that crashed left its lease; the one that resumes finds it.
func TestOneHolderIDIsOneHolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		require.True(t, s.grant("job-7", ttl))
		time.Sleep(ttl / 2)
		m := newMutex(t, s, mutex.Config{HolderID: "job-7"})
		_, err := mutex.WithLock(m, sleep(2*ttl))(t.Context())
		require.NoError(t, err)
		s.requireFree(t)
	})
}

// Acquisitions under one id are distinguished by their attempts.
func TestNoTwoAcquisitionsMakeTheSameClaim(t *testing.T) {
	t.Parallel()
	s := newStore()
	claims := map[backing.Claim]bool{}
	s.on(func(ctx context.Context, r *request) error {
		claims[r.claim] = true
		assert.Equal(t, r.claim.Holder == "job", r.claim.Attempt != "", "a random holder id is not used again")
		return r.send(ctx)
	}, "tryAcquire")
	const rounds = 25
	for _, m := range []*mutex.Mutex{newMutex(t, s, mutex.Config{HolderID: "job"}), newMutex(t, s, mutex.Config{})} {
		for range rounds {
			for _, acquire := range acquiring {
				_, err := acquire(m)(t.Context())
				require.NoError(t, err)
			}
		}
	}
	assert.Len(t, claims, 2*rounds*len(acquiring))
}

// Whatever the durations, New either refuses them with an error that names one, or makes a
// mutex that holds the lock for as long as the work takes, even several refreshes later.
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
			roundedUp := 30 * time.Second
			if ttl != 0 {
				roundedUp = (asked.TTL + time.Millisecond - 1).Truncate(time.Millisecond)
			}
			s := newStore()
			s.on(func(ctx context.Context, r *request) error {
				c := r.claim
				assert.Equal(t, roundedUp, c.TTL)
				assert.NotEmpty(t, c.Holder)
				return r.send(ctx)
			}, "tryAcquire", "refresh")
			m, err := mutex.New(s, key, asked)
			if err != nil {
				bad := asA[*mutex.ConfigError](t, err)
				value, known := map[string]time.Duration{"TTL": asked.TTL, "RefreshInterval": asked.RefreshInterval, "AcquireRetryInterval": asked.AcquireRetryInterval}[bad.Field]
				assert.True(t, known, bad.Field)
				assert.Equal(t, value, bad.Value)
				assert.NotZero(t, value, "what is not set has a default")
				return
			}
			interval := asked.RefreshInterval
			if interval == 0 {
				interval = roundedUp / 3
			}
			_, err = mutex.WithLock(m, sleep(5*interval))(t.Context())
			require.NoError(t, err)
			assert.Positive(t, s.called("refresh"))
			waits(t, s, asked)
			s.requireFree(t)
		})
	})
}

// waits makes another mutex with the same durations wait for a moment.
func waits(t *testing.T, s *store, c mutex.Config) {
	t.Helper()
	s.grant("before", time.Millisecond)
	c.AcquireRetryPolicy = schedule.Spaced(time.Millisecond)
	m, err := mutex.New(s, key, c)
	require.NoError(t, err)
	_, err = mutex.WithLock(m, sleep(0))(t.Context())
	require.NoError(t, err)
}
