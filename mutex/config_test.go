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
		{"refresh interval of a TTL", memory.New(), key, mutex.Config{TTL: time.Second, RefreshInterval: time.Second}, "RefreshInterval", "is 1s, want a positive duration shorter than 989ms, for which a lease with a TTL of 1s is relied on"},
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

// Acquisitions under one id are told apart by their attempts.
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
