package mutex_test

import (
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/memory"
	"github.com/effectlock/effectlock/effect"
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
		{"negative acquire interval", memory.New(), key, mutex.Config{AcquireRetryInterval: -1}, "AcquireRetryInterval", "-1ns"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := mutex.New(c.store, c.key, c.config)
			var bad *mutex.ConfigError
			require.ErrorAs(t, err, &bad)
			assert.Equal(t, c.field, bad.Field)
			assert.Contains(t, bad.Error(), c.message)

			_, err = mutex.Make(c.key, c.config)(c.store)(t.Context())
			require.ErrorAs(t, err, &bad)
		})
	}
}

type incomparable struct {
	backing.Backing
	_ []int
}

func TestTheZeroConfigIsReadyToUse(t *testing.T) {
	t.Parallel()
	m, err := mutex.Make(key, mutex.Config{})(memory.New())(t.Context())
	require.NoError(t, err)
	assert.Equal(t, key, m.Key())
	a, err := mutex.WithLock(m, effect.Succeed(42))(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 42, a)
}

func TestATTLIsRoundedUpToMilliseconds(t *testing.T) {
	t.Parallel()
	for ttl, want := range map[time.Duration]time.Duration{
		time.Millisecond:             time.Millisecond,
		time.Millisecond + 1:         2 * time.Millisecond,
		1500 * time.Microsecond:      2 * time.Millisecond,
		time.Second:                  time.Second,
		0:                            30 * time.Second,
		365 * 24 * time.Hour:         365 * 24 * time.Hour,
		30*time.Second + time.Minute: 90 * time.Second,
	} {
		t.Run(fmt.Sprint(ttl), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { // a lease of 2 ms is soon over on a busy machine
				s := newStore()
				s.tryAcquire = s.claims(t, want)
				_, err := mutex.WithLockIfAvailable(newMutex(t, s, mutex.Config{TTL: ttl}), effect.Succeed(1))(t.Context())
				require.NoError(t, err)
			})
		})
	}
}

func TestTheRefreshIntervalIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		m := newMutex(t, s, mutex.Config{TTL: time.Minute, RefreshInterval: 7 * time.Second})
		_, err := mutex.WithLock(m, sleep(71*time.Second))(t.Context())
		require.NoError(t, err)
		assert.Equal(t, 10, s.called("refresh"))
	})
}

func TestTheAcquireRetryIntervalIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.take(t)
		m := newMutex(t, s, mutex.Config{AcquireRetryInterval: 7 * time.Second})
		_, err := effect.Timeout[int](71 * time.Second)(mutex.WithLock(m, effect.Succeed(1)))(t.Context())
		var timeout *effect.TimeoutError
		require.ErrorAs(t, err, &timeout)
		assert.Equal(t, 11, s.called("tryAcquire"))
	})
}

func TestAnAcquireRetryPolicyReplacesTheInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.take(t)
		m := newMutex(t, s, mutex.Config{
			AcquireRetryInterval: time.Nanosecond,
			AcquireRetryPolicy:   schedule.Exponential(time.Second).UpTo(time.Minute),
		})
		began := time.Now()
		_, err := mutex.WithLock(m, effect.Succeed(1))(t.Context())
		var refused *mutex.LockNotAcquiredError
		require.ErrorAs(t, err, &refused)
		assert.Equal(t, 63*time.Second, time.Since(began), "1 + 2 + 4 + 8 + 16 + 32")
		assert.Equal(t, 7, s.called("tryAcquire"))
	})
}

func TestOneHolderIDIsOneHolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		// A process that crashed left its lease; the one that resumes finds it.
		_, err := s.real().TryAcquire(t.Context(), backing.Claim{Key: key, Holder: "job-7", TTL: ttl})
		require.NoError(t, err)
		time.Sleep(ttl / 2)
		m := newMutex(t, s, mutex.Config{HolderID: "job-7"})
		_, err = mutex.WithLock(m, sleep(2*ttl))(t.Context())
		require.NoError(t, err)
		s.requireFree(t)
	})
}

func TestHolderIDsDifferByDefault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMutex(t, newStore(), mutex.Config{})
		seen := map[string]bool{}
		for range 100 {
			id, err := mutex.WithLock(m, holderID)(t.Context())
			require.NoError(t, err)
			require.False(t, seen[id])
			seen[id] = true
		}
	})
}
