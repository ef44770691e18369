package push

import (
	"context"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/redistest"
)

// address is one that several servers have by turns. The connections to a server
// stay when the address moves on.
type address struct {
	proxy atomic.Pointer[redistest.Proxy]
}

func (a *address) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, network, a.proxy.Load().Addr())
}

// failOver makes a primary of the replica, in good order: nothing is lost, and the
// old primary lives on as a replica.
func failOver(t *testing.T, primary, replica *redistest.Server) {
	t.Helper()
	ctx, old, promoted := t.Context(), primary.Client(t), replica.Client(t)
	require.NoError(t, old.Do(ctx, "FAILOVER").Err())
	require.Eventually(t, func() bool {
		was, _ := old.Info(ctx, "replication").Result()
		is, _ := promoted.Info(ctx, "replication").Result()
		return strings.Contains(was, "role:slave") && strings.Contains(is, "role:master")
	}, ages, 5*time.Millisecond)
}

// probe asks the server to count the receivers, as the owner of a Push does.
func probe(t *testing.T, e *listener, publish func(ctx context.Context, channel string, message any) *goredis.IntCmd) (receivers int64) {
	t.Helper()
	channel, ok := e.Ready("k")
	require.True(t, ok)
	require.Eventually(t, func() bool { return e.ShouldProbe("k") }, ages, 5*time.Millisecond)
	receivers, err := publish(t.Context(), channel, "").Result()
	require.NoError(t, err)
	if receivers > 0 {
		assert.Empty(t, <-e.messages)
	}
	return receivers
}

// awaitConfirmation waits until the subscription that was unheard is replaced.
func awaitConfirmation(t *testing.T, e *listener, unheard time.Time) {
	t.Helper()
	_, err := e.Listen(t.Context(), "k")
	require.NoError(t, err)
	assert.Less(t, time.Since(unheard), time.Second)
	e.awaitGap(t)
	e.awaitGap(t)
}

func TestSubscriptionFollowsAFailoverThatLeavesTheOldConnection(t *testing.T) {
	t.Parallel()
	primary := redistest.Start(t)
	replica := redistest.StartReplica(t, primary)
	var a address
	a.proxy.Store(redistest.NewProxy(t, primary.Addr()))
	c := goredis.NewClient(&goredis.Options{Dialer: a.dial})
	defer c.Close()
	e := newListener(c)
	e.AddWaiters(1)
	defer e.AddWaiters(-1)
	e.mustListen(t, "k")
	require.EqualValues(t, 1, probe(t, e, primary.Client(t).Publish))

	failOver(t, primary, replica)
	a.proxy.Store(redistest.NewProxy(t, replica.Addr()))
	publish := replica.Client(t).Publish
	require.True(t, e.isReady("k"), "the old primary keeps the connection")
	require.Zero(t, probe(t, e, publish))
	unheard := time.Now()
	e.Unheard("k")
	assert.False(t, e.isReady("k"))
	awaitConfirmation(t, e, unheard)
	assert.EqualValues(t, 1, probe(t, e, publish))
	assert.Empty(t, subscribers(t, primary.Client(t)))
	assert.Empty(t, e.gaps)
}

// startReplicatedCluster returns a Cluster, its master that has the slot of "k",
// and a replica of that.
func startReplicatedCluster(t *testing.T) (cluster *redistest.Cluster, master, replica *redistest.Server) {
	t.Helper()
	ctx := t.Context()
	cluster = redistest.StartCluster(t)
	master, replica = cluster.Owner(t, "k"), redistest.Start(t, "--cluster-enabled", "yes")
	c := replica.Client(t)
	host, port, err := net.SplitHostPort(master.Addr())
	require.NoError(t, err)
	require.NoError(t, c.ClusterMeet(ctx, host, port).Err())
	id, err := master.Client(t).Do(ctx, "CLUSTER", "MYID").Text()
	require.NoError(t, err)
	require.Eventually(t, func() bool { return c.ClusterReplicate(ctx, id).Err() == nil }, ages, 20*time.Millisecond)
	require.Eventually(t, func() bool {
		info, _ := c.Info(ctx, "replication").Result()
		return strings.Contains(info, "master_link_status:up")
	}, ages, 20*time.Millisecond)
	return cluster, master, replica
}

// outdated is a Cluster's client that takes another server for the master until it
// has been asked to reload several times.
type outdated struct {
	*goredis.ClusterClient
	server  *goredis.Client
	reloads atomic.Int64
}

func (o *outdated) MasterForKey(ctx context.Context, key string) (*goredis.Client, error) {
	if o.reloads.Load() < 5 {
		return o.server, nil
	}
	return o.ClusterClient.MasterForKey(ctx, key)
}

func (o *outdated) ReloadState(ctx context.Context) {
	o.reloads.Add(1)
	o.ClusterClient.ReloadState(ctx)
}

func TestSubscriptionFollowsAFailoverOfACluster(t *testing.T) {
	t.Parallel()
	cluster, master, replica := startReplicatedCluster(t)

	t.Run("that the client does not know of", func(t *testing.T) {
		e := newListener(&outdated{ClusterClient: cluster.Client(t), server: replica.Client(t)})
		e.AddWaiters(1)
		defer e.AddWaiters(-1)
		e.mustListen(t, "k")
		require.Len(t, subscribers(t, replica.Client(t)), 1, "a replica accepts the subscription")
		channel, _ := e.Ready("k")
		require.True(t, e.ShouldProbe("k"))
		require.Zero(t, master.Client(t).SPublish(t.Context(), channel, "").Val())
		unheard := time.Now()
		e.Unheard("k")
		awaitConfirmation(t, e, unheard)
		assert.EqualValues(t, 1, probe(t, e, master.Client(t).SPublish))
		assert.Empty(t, e.gaps)
	})

	t.Run("in good order", func(t *testing.T) {
		e := newListener(cluster.Client(t))
		e.AddWaiters(1)
		defer e.AddWaiters(-1)
		channel := e.mustListen(t, "k")
		ctx, promoted := t.Context(), replica.Client(t)
		require.Eventually(t, func() bool { return promoted.ClusterFailover(ctx).Err() == nil }, ages, 20*time.Millisecond)
		require.Eventually(t, func() bool {
			info, _ := promoted.Info(ctx, "replication").Result()
			return strings.Contains(info, "role:master")
		}, ages, time.Millisecond)
		failedOver := time.Now()
		require.Eventually(t, func() bool {
			if !e.isReady("k") || !e.ShouldProbe("k") {
				return false
			}
			receivers, err := promoted.SPublish(ctx, channel, "").Result()
			if err == nil && receivers == 0 {
				e.Unheard("k")
			}
			return receivers > 0
		}, ages, time.Millisecond)
		assert.Less(t, time.Since(failedOver), 2*time.Second)
		e.awaitGap(t)
		e.awaitGap(t)
		e.mustListen(t, "k")
	})
}

func TestChannelThatIsUnheardTwiceIsGivenUpForAWhile(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	c := s.Client(t)
	e := newListener(c)
	e.recent, e.giveUp = time.Hour, 500*time.Millisecond
	e.AddWaiters(1)
	defer e.AddWaiters(-1)
	e.mustListen(t, "k")
	e.Unheard("k")
	require.True(t, e.isReady("k"), "no probe was asked for")

	require.True(t, e.ShouldProbe("k"))
	e.Unheard("k")
	e.mustListen(t, "k")
	require.True(t, e.ShouldProbe("k"))
	e.Unheard("k")
	began := time.Now()
	for time.Since(began) < e.giveUp/2 {
		_, err := e.Listen(t.Context(), "k")
		require.ErrorIs(t, err, errElsewhere)
		require.False(t, e.isReady("k"))
		require.False(t, e.ShouldProbe("k"))
	}
	require.EqualError(t, func() error { _, err := e.Listen(t.Context(), "k"); return err }(),
		"redis: SUBSCRIBE push:me: subscribed on another server than the one that publishes")
	require.Eventually(t, func() bool { return len(subscribers(t, c)) == 0 }, ages, time.Millisecond)

	require.Eventually(t, func() bool { return e.isReady("k") }, ages, time.Millisecond, "it is tried again without being asked for")
	assert.GreaterOrEqual(t, time.Since(began), e.giveUp)
	assertReceives(t, e, c.Publish(t.Context(), "push:me", "again"))
}

func TestProbeIsDueAfterEachConfirmationAndThenSeldom(t *testing.T) {
	t.Parallel()
	p, e, _ := behindProxy(t)
	e.probeEvery = time.Hour
	e.AddWaiters(1)
	defer e.AddWaiters(-1)
	require.False(t, e.ShouldProbe("k"), "nothing is subscribed to")
	for range 2 {
		e.mustListen(t, "k")
		assert.True(t, e.ShouldProbe("k"))
		assert.False(t, e.ShouldProbe("k"))
		assert.False(t, e.ShouldProbe("another lock of that channel"))
		p.Reset()
		e.awaitGap(t)
		e.awaitGap(t)
	}
	e.mu.Lock()
	e.probeEvery = time.Millisecond
	e.mu.Unlock()
	assert.True(t, e.ShouldProbe("k"))
	require.Eventually(t, func() bool { return e.ShouldProbe("k") }, ages, time.Millisecond)
}
