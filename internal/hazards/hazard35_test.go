package hazards_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/mutex"
)

// A server that may evict keys with an expiry evicts locks. The holder is told at
// its next refresh, and whoever comes next has a higher token, also if the last one
// is forgotten with the lock. That has no expiry, so not all policies let it be evicted.
func TestHazard35_AnEvictedLockIsLostAtTheNextRefresh(t *testing.T) {
	t.Parallel()
	const interval = time.Second
	for _, policy := range []string{"allkeys-lru", "allkeys-random", "volatile-ttl", "volatile-lru"} {
		for name, evicted := range map[string][]string{"the lock": {lockKey}, "the lock and its last token": {lockKey, fenceKey}} {
			volatile := strings.HasPrefix(policy, "volatile-")
			if volatile && len(evicted) > 1 {
				continue
			}
			t.Run(policy+", "+name, func(t *testing.T) {
				t.Parallel()
				s := newStore(t)
				holder := contend(t, s.process(t), key, mutex.Config{TTL: long, RefreshInterval: interval})
				holder.enters(t, patience)
				s.evict(t, policy, evicted...)
				lost := lossOf(t, holder.gone(t, interval+2*little))
				assert.Equal(t, mutex.Gone, lost.Reason)
				assert.Equal(t, holder.token, lost.Token)
				assert.Equal(t, 1, holder.seen(mutex.Lost))
				assert.Zero(t, s.direct.Exists(t.Context(), lockKey).Val(), "it was made again")
				if volatile {
					assert.Equal(t, holder.token, s.token(t), "the last token is forgotten")
				}

				next := contend(t, s.process(t), key, mutex.Config{TTL: long})
				next.enters(t, patience)
				assert.Greater(t, next.token, holder.token)
				next.letsGo(t)
			})
		}
	}
}

// One who waits finds the lock free before its holder knows: two are inside, until
// the holder's next refresh. Only the token tells a resource.
func TestHazard35_AnEvictedLockIsGrantedAgainAndTheFirstHolderIsFencedOff(t *testing.T) {
	t.Parallel()
	const interval = 8 * time.Second
	s, doc := newStore(t), register{newStore(t).direct}
	holder := contend(t, s.process(t), key, mutex.Config{TTL: long, RefreshInterval: interval})
	holder.enters(t, patience)
	assert.True(t, doc.write(t, holder.token))
	waiter := contend(t, s.process(t), key, mutex.Config{TTL: long})
	waiter.waits(t)
	s.evict(t, "allkeys-lru", lockKey, fenceKey, queueKey)
	waiter.enters(t, bound+little)
	assert.Greater(t, waiter.token, holder.token)
	assert.True(t, doc.write(t, waiter.token))
	assert.False(t, doc.write(t, holder.token), "a stale write was accepted")

	lost := lossOf(t, holder.gone(t, interval+2*little))
	assert.Equal(t, mutex.Taken, lost.Reason)
	s.assertHolds(t, waiter) // the first one's release leaves it alone
	waiter.letsGo(t)
	s.assertFree(t)
}

// evict writes until the server has evicted those keys, and then gives it memory.
// What is written lives longer than they do, and does not hinder that way.
func (s store) evict(t *testing.T, policy string, keys ...string) {
	t.Helper()
	ctx := t.Context()
	memory, err := s.direct.InfoMap(ctx, "memory").Result()
	require.NoError(t, err)
	used, err := strconv.Atoi(memory["Memory"]["used_memory"])
	require.NoError(t, err)
	s.Configure("maxmemory-policy", policy)
	s.Configure("maxmemory", strconv.Itoa(used+1<<20))
	n := 0
	eventually(t, func() bool {
		pipe := s.direct.Pipeline()
		for range 20 {
			n++
			pipe.Set(ctx, fmt.Sprint("filler:", n), strings.Repeat("x", 20_000), 24*time.Hour)
		}
		_, err := pipe.Exec(ctx)
		require.NoError(t, err)
		return s.direct.Exists(ctx, keys...).Val() == 0
	}, "%v are evicted", keys)
	stats, err := s.direct.InfoMap(ctx, "stats").Result()
	require.NoError(t, err)
	assert.NotEqual(t, "0", stats["Stats"]["evicted_keys"])
	s.Configure("maxmemory", "0")
}
