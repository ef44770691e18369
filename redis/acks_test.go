package redis_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/IBM/fp-go/v2/option"
	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/internal/redistest"
	"github.com/effectlock/effectlock/redis"
)

// ackLimit is long enough for a replica on a loaded machine.
const ackLimit = 10 * time.Second

func TestGrantThatEnoughReplicasAcknowledgeCounts(t *testing.T) {
	t.Parallel()
	s, c := start(t)
	replica := redistest.StartReplica(t, s).Client(t)
	b := redis.New(c, redis.RequireAcks(1, ackLimit))
	acquire(t, b, "k", "a")
	assert.Equal(t, "a", replica.Get(t.Context(), "dmutex:k").Val())
	assertRefreshes(t, true, b, "k", "a")
	assertRefreshes(t, false, b, "k", "x")
	assertRefused(t, b, "k", "x")
	acquire(t, b, "l", "a")
	for _, r := range b.RefreshAll(t.Context(), []backing.Claim{claim("k", "a"), claim("l", "a")}) {
		assert.Equal(t, backing.Refreshed{Held: true}, r)
	}
	passes(t, b, "a", waiter("k", "b"), false)
	assert.Equal(t, "b", replica.Get(t.Context(), "dmutex:k").Val())
	w := waiter("k", "d")
	queues(t, b, w)
	assertReports(t, backing.FreedNow, b, claim("k", "b"))
	w.isGranted(t, b)
	assert.Equal(t, "d", replica.Get(t.Context(), "dmutex:k").Val())
	assertReports(t, backing.FreedNow, b, w.Claim)
	assertReports(t, backing.FreedEarlier, b, w.Claim)
	require.NoError(t, c.ScriptFlush(t.Context()).Err())
	acquire(t, b, "k", "e")
}

func assertTooFew(t *testing.T, err error) {
	t.Helper()
	var few *redis.AcknowledgeError
	require.ErrorAs(t, err, &few)
	assert.Equal(t, redis.AcknowledgeError{Needed: 1, Got: 0, Within: 50 * time.Millisecond}, *few)
	assert.Equal(t, "AcknowledgeError", few.Tag())
	assert.ErrorContains(t, err, "redis: 0 of 1 replicas acknowledged within 50ms")
	assert.False(t, backing.IsPermanent(err), "a replica may come back")
}

func TestGrantThatTooFewReplicasAcknowledgeIsTakenBack(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	plain := redis.New(c)
	b := redis.New(c, redis.RequireAcks(1, 50*time.Millisecond))
	grant, err := b.TryAcquire(t.Context(), claim("k", "a"))
	assertTooFew(t, err)
	assert.Equal(t, option.None[backing.Grant](), grant)
	assert.Equal(t, []string{fenceKey}, c.Keys(t.Context(), "*").Val(), "nothing is left, nor a memory of a release")
	assertReports(t, backing.NotHeld, b, claim("k", "a"))

	o, err := b.Enqueue(t.Context(), waiter("k", "b").Waiter)
	assertTooFew(t, err)
	assert.Nil(t, o)
	assertFree(t, b, "k")

	acquire(t, plain, "k", "a")
	held, err := b.Refresh(t.Context(), claim("k", "a"))
	assertTooFew(t, err)
	assert.False(t, held)
	acquire(t, plain, "l", "a")
	for _, r := range b.RefreshAll(t.Context(), []backing.Claim{claim("k", "a"), claim("l", "a")}) {
		assertTooFew(t, r.Err)
		assert.False(t, r.Held)
	}
	assertHolder(t, plain, "k", "a") // a failed refresh undoes nothing
	assertRefused(t, b, "k", "x")    // nor does a refusal need an acknowledgement
	assertRefreshes(t, false, b, "k", "x")
	assertReports(t, backing.FreedNow, b, claim("k", "a"))
}

func TestPassThatTooFewReplicasAcknowledgeFreesTheLock(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	plain := redis.New(c)
	b := redis.New(c, redis.RequireAcks(1, 50*time.Millisecond))
	acquire(t, plain, "k", "a")
	o, err := b.Pass(t.Context(), claim("k", "a"), waiter("k", "b").Waiter, false)
	require.NoError(t, err)
	require.IsType(t, backing.MustPoll{}, o)
	assertTooFew(t, o.(backing.MustPoll).Why)
	assertFree(t, plain, "k")
	assertReports(t, backing.NotHeld, b, claim("k", "b"))
}

func TestServerThatRefusesToWaitIsAFailureThatLeavesNothing(t *testing.T) {
	t.Parallel()
	_, admin := start(t)
	b := redis.New(as(t, admin, "-wait"), redis.RequireAcks(1, 50*time.Millisecond))
	_, err := b.TryAcquire(t.Context(), claim("k", "a"))
	require.ErrorContains(t, err, "redis: WAIT: NOPERM")
	assert.True(t, backing.IsPermanent(err))
	assertFree(t, b, "k")
	acquire(t, redis.New(admin), "k", "a")
	_, err = b.Refresh(t.Context(), claim("k", "a"))
	require.ErrorContains(t, err, "redis: WAIT: NOPERM")
}

// The first copy of a request has no reply, and nobody knows whether it will be applied.
func TestRequestForAcknowledgementThatIsLostIsRefusedAfterTheRelease(t *testing.T) {
	t.Parallel()
	s, admin := start(t)
	p := redistest.NewProxy(t, s.Addr())
	c := dial(t, goredis.Options{Addr: p.Addr(), MaxRetries: -1})
	b := redis.New(c, redis.RequireAcks(1, time.Millisecond))
	_, err := b.TryAcquire(t.Context(), claim("warm", "h"))
	require.Error(t, err)
	p.DropReplies(1, "wait")
	_, err = b.TryAcquire(t.Context(), claim("k", "a"))
	require.Error(t, err)
	_, few := errors.AsType[*redis.AcknowledgeError](err)
	require.False(t, few)
	assertHolder(t, redis.New(admin), "k", "a")
	assertReports(t, backing.FreedNow, b, claim("k", "a"))
	assertRefused(t, redis.New(admin), "k", "a") // as the copy would be refused
}

func TestRequireAcksPanicsForWhatCannotWork(t *testing.T) {
	t.Parallel()
	for _, bad := range []struct {
		replicas int
		within   time.Duration
	}{{0, time.Second}, {-1, time.Second}, {1, 0}, {1, -time.Second}} {
		assert.Panics(t, func() { redis.RequireAcks(bad.replicas, bad.within) }, "%v", bad)
	}
	client := goredis.NewClient(&goredis.Options{Addr: "127.0.0.1:1"})
	ring := goredis.NewRing(&goredis.RingOptions{Addrs: map[string]string{"a": "127.0.0.1:1"}})
	cluster := goredis.NewClusterClient(&goredis.ClusterOptions{Addrs: []string{"127.0.0.1:1"}})
	t.Cleanup(func() { _, _, _ = client.Close(), ring.Close(), cluster.Close() })
	wrapped := struct{ goredis.UniversalClient }{client}
	for _, c := range []goredis.UniversalClient{ring, wrapped} {
		assert.Panics(t, func() { redis.New(c, redis.RequireAcks(1, time.Second)) }, "%T", c)
	}
	for _, c := range []goredis.UniversalClient{client, cluster} {
		assert.NotPanics(t, func() { redis.New(c, redis.RequireAcks(1, time.Second)) }, "%T", c)
	}
}

func TestGrantThatCannotBeTakenBackFailsWithBoth(t *testing.T) {
	t.Parallel()
	s, admin := start(t)
	p := redistest.NewProxy(t, s.Addr())
	c := dial(t, goredis.Options{Addr: p.Addr(), MaxRetries: -1})
	b := redis.New(c, redis.RequireAcks(1, 50*time.Millisecond))
	_, err := b.TryAcquire(t.Context(), claim("warm", "h"))
	assertTooFew(t, err)
	p.AfterNext("wait", func() { p.DropReplies(-1, "evalsha") }) // what follows is the release
	_, err = b.TryAcquire(t.Context(), claim("k", "h"))
	few, ok := errors.AsType[*redis.AcknowledgeError](err)
	require.True(t, ok, "%v", err)
	assert.Greater(t, len(err.Error()), len(few.Error()), "and why it was not taken back")
	p.Heal()
	assertFree(t, redis.New(admin), "k") // the reply to the release was lost
	assertReports(t, backing.NotHeld, b, claim("k", "h"))
}

// WAIT goes to the master of the lock, on the connection that sent the script.
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

// A client of one server may be a Cluster's, and follows no redirection.
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

// A client that does not know yet where the slot has moved finds out by the failure.
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
