package redis_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	goredis "github.com/redis/go-redis/v9"
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
	}
	locks.RefreshAll(t.Context(), claims[:2]) // the server knows the script
	require.NoError(t, c.ConfigResetStat(t.Context()).Err())
	claims[7].TTL = 2 * lease // which takes another script
	for i, r := range locks.RefreshAll(t.Context(), claims) {
		assert.Equal(t, backing.Refreshed{Held: true}, r, "%d", i)
	}
	assert.LessOrEqual(t, ran(t, c, "evalsha"), 4, "two, and others if the replies were late")
	assert.Greater(t, c.PTTL(t.Context(), "dmutex:k7").Val(), lease)
	assert.LessOrEqual(t, c.PTTL(t.Context(), "dmutex:k8").Val(), lease)
}

func TestLeaseThatCannotBeRefreshedKeepsNoOtherFromIt(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	locks := redis.New(c)
	require.NoError(t, c.LPush(t.Context(), "dmutex:bad", "mine").Err())
	require.NoError(t, c.PExpire(t.Context(), "dmutex:bad", lease).Err())
	acquire(t, locks, "good", "h")
	acquire(t, locks, "fine", "h")
	all := locks.RefreshAll(t.Context(), []backing.Claim{claim("good", "h"), claim("bad", "h"), claim("free", "h"), claim("fine", "h")})
	assert.ErrorContains(t, all[1].Err, "WRONGTYPE")
	assert.True(t, backing.IsPermanent(all[1].Err))
	all[1].Err = nil
	assert.Equal(t, []backing.Refreshed{{Held: true}, {}, {}, {Held: true}}, all)
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

// refusesPairs is a hook that imitates a server which never takes two keys in one script.
type refusesPairs struct{ refused atomic.Int32 }

func (*refusesPairs) DialHook(next goredis.DialHook) goredis.DialHook { return next }

func (r *refusesPairs) ProcessHook(next goredis.ProcessHook) goredis.ProcessHook {
	return func(ctx context.Context, cmd goredis.Cmder) error {
		if cmd.Name() != "evalsha" || cmd.Args()[2] != 2 {
			return next(ctx, cmd)
		}
		r.refused.Add(1)
		cmd.SetErr(goredis.ErrCrossSlot)
		return cmd.Err()
	}
}

func (*refusesPairs) ProcessPipelineHook(next goredis.ProcessPipelineHook) goredis.ProcessPipelineHook {
	return next
}

// By their tag, the keys are in one slot.
func TestLeasesThatAreRefusedTogetherAreRefreshedAlone(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	var server refusesPairs
	c.AddHook(&server)
	locks := redis.New(c)
	claims := []backing.Claim{claim("{tag}a", "h"), claim("{tag}b", "h")}
	acquire(t, locks, claims[0].Key, "h")
	for n := range 2 {
		all := locks.RefreshAll(t.Context(), claims)
		assert.Equal(t, []backing.Refreshed{{Held: true}, {}}, all)
		assert.EqualValues(t, n+1, server.refused.Load())
	}
}
