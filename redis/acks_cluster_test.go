package redis_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/internal/redistest"
	"github.com/effectlock/effectlock/redis"
)

// WAIT goes to the master of the lock, on the connection that the script was sent on.
func TestAcknowledgementsOnAClusterAreOfTheLocksMaster(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t)
	replica := redistest.Start(t, "--cluster-enabled", "yes")
	host, port, _ := strings.Cut(cluster.Servers[0].Addr(), ":")
	client := replica.Client(t)
	require.NoError(t, client.ClusterMeet(t.Context(), host, port).Err())
	id := cluster.Servers[0].Client(t).Do(t.Context(), "CLUSTER", "MYID").Val().(string)
	require.Eventually(t, func() bool { // it has to know the master first
		return client.ClusterReplicate(t.Context(), id).Err() == nil
	}, 30*time.Second, 10*time.Millisecond)
	require.Eventually(t, func() bool {
		return cluster.Servers[0].Client(t).Wait(t.Context(), 1, 100*time.Millisecond).Val() == 1
	}, 30*time.Second, 10*time.Millisecond)

	patient := redis.New(cluster.Client(t), redis.RequireAcks(1, ackLimit))
	brief := redis.New(cluster.Client(t), redis.RequireAcks(1, 50*time.Millisecond))
	for _, key := range keysOn(t, cluster, 0, 3) {
		acquire(t, patient, key, "a")
		assertRefreshes(t, true, patient, key, "a")
	}
	for _, key := range keysOn(t, cluster, 1, 3) {
		_, err := brief.TryAcquire(t.Context(), claim(key, "a"))
		assertTooFew(t, err)
		assertFree(t, brief, key)
	}
}

// A client of one server may be one of a Cluster's, and follows no redirection.
func TestLockOfAnotherServerOfAClusterIsAnError(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t)
	b := redis.New(cluster.Servers[0].Client(t), redis.RequireAcks(1, 50*time.Millisecond))
	_, err := b.TryAcquire(t.Context(), claim(keysOn(t, cluster, 1, 1)[0], "a"))
	require.ErrorContains(t, err, "MOVED")
}

func TestClusterThatIsGoneFailsRequestsForAcknowledgement(t *testing.T) {
	t.Parallel()
	c := goredis.NewClusterClient(&goredis.ClusterOptions{Addrs: []string{"127.0.0.1:1"}, MaxRedirects: 1, DialerRetries: 1})
	t.Cleanup(func() { _ = c.Close() })
	b := redis.New(c, redis.RequireAcks(1, time.Second))
	held, err := b.Refresh(t.Context(), claim("k", "h"))
	require.Error(t, err)
	assert.False(t, held)
	assert.False(t, backing.IsPermanent(err))
}

// A client that does not know yet where the slot has gone learns it by the failure.
func TestAcknowledgementsFollowASlotThatMoves(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t)
	b := redis.New(cluster.Client(t), redis.RequireAcks(1, 50*time.Millisecond))
	key := keysOn(t, cluster, 0, 1)[0]
	_, err := b.TryAcquire(t.Context(), claim(key, "h"))
	assertTooFew(t, err)
	cluster.Migrate(t, "dmutex:"+key, cluster.Servers[1]).Finish()
	require.Eventually(t, func() bool {
		_, err := b.TryAcquire(t.Context(), claim(key, "h"))
		_, few := errors.AsType[*redis.AcknowledgeError](err)
		return few
	}, 30*time.Second, 10*time.Millisecond)
}
