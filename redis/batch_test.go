package redis_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/redis"
)

func TestManyLeasesAreRefreshedByOneScript(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	locks := redis.New(c)
	claims := make([]backing.Claim, 250)
	for i := range claims {
		claims[i] = claim(fmt.Sprint("k", i), fmt.Sprint("h", i))
		acquire(t, locks, claims[i].Key, claims[i].Holder)
		require.NoError(t, c.PExpire(t.Context(), "dmutex:"+claims[i].Key, lease/2).Err())
		require.NoError(t, c.PExpire(t.Context(), "fence:{dmutex:"+claims[i].Key+"}", lease/2).Err())
	}
	locks.RefreshAll(t.Context(), claims[:2]) // the server knows the script
	require.NoError(t, c.ConfigResetStat(t.Context()).Err())
	for i, r := range locks.RefreshAll(t.Context(), claims) {
		assert.Equal(t, backing.Refreshed{Held: true}, r, "%d", i)
	}
	assert.Equal(t, 1, ran(t, c, "evalsha"))
	for _, c0 := range claims {
		assert.Greater(t, c.PTTL(t.Context(), "dmutex:"+c0.Key).Val(), lease/2)
		assert.Greater(t, c.PTTL(t.Context(), "fence:{dmutex:"+c0.Key+"}").Val(), time.Hour)
	}
	claims[7].TTL = 2 * lease
	for i, r := range locks.RefreshAll(t.Context(), claims) {
		assert.Equal(t, backing.Refreshed{Held: true}, r, "%d", i)
	}
	assert.Greater(t, c.PTTL(t.Context(), "dmutex:k7").Val(), lease)
	assert.LessOrEqual(t, c.PTTL(t.Context(), "dmutex:k8").Val(), lease)
}

func TestLeaseThatCannotBeRefreshedKeepsNoOtherFromIt(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	locks := redis.New(c)
	claims := []backing.Claim{claim("bad", "h"), claim("good", "h"), claim("free", "h"), claim("worse", "h"), claim("fine", "h")}
	for _, key := range []string{"dmutex:bad", "dmutex:worse"} {
		require.NoError(t, c.LPush(t.Context(), key, "mine").Err())
		require.NoError(t, c.PExpire(t.Context(), key, lease).Err())
	}
	acquire(t, locks, "good", "h")
	acquire(t, locks, "fine", "h")
	all := locks.RefreshAll(t.Context(), claims)
	for i, held := range []bool{false, true, false, false, true} {
		assert.Equal(t, held, all[i].Held, "%d", i)
	}
	for i, fails := range []bool{true, false, false, true, false} {
		if !fails {
			assert.NoError(t, all[i].Err)
			continue
		}
		assert.ErrorContains(t, all[i].Err, "WRONGTYPE")
		assert.True(t, backing.IsPermanent(all[i].Err))
	}
}

func TestServerThatIsGoneFailsAllLeasesOfABatch(t *testing.T) {
	t.Parallel()
	p, b, _ := throughProxy(t)
	p.DropReplies(-1, "evalsha")
	for _, r := range b.RefreshAll(t.Context(), []backing.Claim{claim("a", "h"), claim("b", "h")}) {
		assert.Error(t, r.Err)
		assert.False(t, r.Held)
	}
}
