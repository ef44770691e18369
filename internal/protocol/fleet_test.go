package protocol_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/internal/redistest"
	"github.com/effectlock/effectlock/redis"
)

// lasting is a lease that no run sees the end of.
const lasting = time.Hour

// A fleet is some processes, each with a client and a Backing of its own, that
// use the same locks, and what is known of these. It does one thing after the other.
type fleet struct {
	*rapid.T
	server  *redistest.Server
	admin   *goredis.Client
	vessels []*vessel
	sunk    int // how many there were that are dead
	locks   map[string]*ledger
	heard   chan hearing
	began   time.Time // the operation under way
}

type vessel struct {
	client  *goredis.Client
	backing *redis.Backing
	holders []string
}

// A hearing is what a claimant was told.
type hearing struct {
	key, holder string
	backing.Handed
}

func newFleet(t *rapid.T, server *redistest.Server, admin *goredis.Client) *fleet {
	f := &fleet{T: t, server: server, admin: admin, locks: map[string]*ledger{}, heard: make(chan hearing, 64)}
	require.NoError(t, admin.FlushAll(t.Context()).Err())
	for _, key := range []string{"k", "{tag} l"} {
		f.locks[key] = &ledger{released: map[string]bool{}, alive: f.alive}
	}
	for range 3 {
		f.launch()
	}
	return f
}

// launch starts a process. One of its claimants waits for a lock that nobody
// gives up, so that it listens all the time.
func (f *fleet) launch() {
	n := len(f.vessels) + f.sunk
	c := goredis.NewClient(&goredis.Options{Addr: f.server.Addr()})
	v := &vessel{client: c, backing: redis.New(c), holders: []string{fmt.Sprintf("%d", n), fmt.Sprintf("%d again", n)}}
	f.vessels = append(f.vessels, v)
	ctx := context.Background()
	require.NoError(f, f.admin.Set(ctx, "dmutex:anchor", "nobody", lasting).Err())
	s, err := v.backing.Enqueue(ctx, f.waiter("anchor", "anchor "+v.holders[0]))
	require.NoError(f, err)
	require.NoError(f, s.NotQueued)
}

// sink ends a process, as far as the server can see.
func (f *fleet) sink(n int) {
	v := f.vessels[n]
	f.vessels = slices.Delete(f.vessels, n, n+1)
	f.sunk++
	require.NoError(f, v.client.Close())
	f.eventually("the server still sees the dead process", func() bool {
		channels, err := f.admin.PubSubChannels(context.Background(), "push:*").Result()
		require.NoError(f, err)
		return len(channels) == len(f.vessels)
	})
}

func (f *fleet) close() {
	for _, v := range f.vessels {
		_ = v.client.Close()
	}
}

func (f *fleet) alive(holder string) bool {
	return slices.ContainsFunc(f.vessels, func(v *vessel) bool { return slices.Contains(v.holders, holder) })
}

func (f *fleet) waiter(key, holder string) backing.Waiter {
	return backing.Waiter{
		Claim:   backing.Claim{Key: key, Holder: holder, TTL: lasting},
		Granted: func(h backing.Handed) { f.heard <- hearing{key, holder, h} },
		Retry:   func() {},
	}
}

func (f *fleet) eventually(otherwise string, is func() bool) {
	for give := time.Now().Add(10 * time.Second); !is(); time.Sleep(time.Millisecond) {
		require.True(f, time.Now().Before(give), otherwise)
	}
}

// published is how many messages the server was asked to publish, ever.
func (f *fleet) published() (n int) {
	stats, err := f.admin.InfoMap(context.Background(), "commandstats").Result()
	require.NoError(f, err)
	_, _ = fmt.Sscanf(stats["Commandstats"]["cmdstat_publish"], "calls=%d,", &n)
	return n
}

// inStore compares what is in the store with what the ledger says.
func (f *fleet) inStore(key string) {
	l, ctx := f.locks[key], context.Background()
	lock, own := "dmutex:"+key, "{dmutex:"+key+"}"
	if strings.Contains(key, "{") {
		own = fmt.Sprintf("{tag}%d:%s", len(lock), lock)
	}
	keys, err := f.admin.Keys(ctx, "*").Result()
	require.NoError(f, err)

	holder, err := f.admin.Get(ctx, lock).Result()
	if err != nil {
		require.ErrorIs(f, err, goredis.Nil)
	}
	require.Equal(f, l.holder, holder, "the holder of %q", key)

	members, err := f.admin.ZRange(ctx, "queue:"+own, 0, -1).Result()
	require.NoError(f, err)
	queue := []string{}
	for _, m := range members {
		queue = append(queue, strings.SplitN(m, " ", 3)[2])
	}
	require.Equal(f, append([]string{}, l.queue...), queue, "the queue for %q", key)

	released := map[string]bool{}
	for _, k := range keys {
		if by, ok := strings.CutPrefix(k, "released:"+own+":"); ok {
			released[by] = true
		}
		require.NotEqual(f, time.Duration(-1), f.admin.PTTL(ctx, k).Val(), "%q is kept for ever", k)
	}
	require.Equal(f, l.released, released, "the releases of %q that are remembered", key)
}
