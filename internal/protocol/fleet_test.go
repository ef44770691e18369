package protocol_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/internal/redistest"
	"github.com/effectlock/effectlock/redis"
)

// anchor is the key of a lock that is never released.
const anchor = "anchor"

// lasting is a lease that outlives any run.
const lasting = time.Hour

// A fleet is a few processes, each with a client and a Backing of its own, that
// use the same locks, and what is known about these. It does one thing at a time.
type fleet struct {
	*rapid.T
	server   *redistest.Server
	admin    *goredis.Client
	vessels  []*vessel
	network  *redis.Backing // sends late requests
	sunk     int            // how many processes have died
	locks    map[string]*ledger
	token    uint64 // the last one, of any lock
	released act    // the last release
	woken    chan wakeUp
	began    time.Time // when the current operation began
}

type vessel struct {
	name    string
	client  *goredis.Client
	backing *redis.Backing
	waiters []string // holders that wait for a lock
	trier   string   // a holder that only tries
	dead    atomic.Bool
}

// A wakeUp is one that a claimant received.
type wakeUp struct{ key, holder string }

func newFleet(t *rapid.T, server *redistest.Server, admin *goredis.Client) *fleet {
	f := &fleet{T: t, server: server, admin: admin, network: redis.New(admin), locks: map[string]*ledger{}, woken: make(chan wakeUp, 64)}
	require.NoError(t, admin.FlushAll(t.Context()).Err())
	for _, key := range []string{"k", "{tag} l"} {
		f.locks[key] = &ledger{released: map[string]string{}, late: map[string]bool{}, alive: f.alive}
	}
	for range 3 {
		f.launch()
	}
	return f
}

// launch starts a process. One of its claimants waits for the anchor, so that the
// process is always subscribed.
func (f *fleet) launch() {
	n := strconv.Itoa(len(f.vessels) + f.sunk)
	c := goredis.NewClient(&goredis.Options{Addr: f.server.Addr()})
	v := &vessel{name: n, client: c, backing: redis.New(c), waiters: []string{n, n + " again"}, trier: n + " tries"}
	f.vessels = append(f.vessels, v)
	ctx := context.Background()
	require.NoError(f, f.admin.Set(ctx, "dmutex:"+anchor, "nobody", lasting).Err())
	f.eventually("the process is not subscribed", func() bool { // it polls if that takes more than a second
		o, err := v.backing.Enqueue(ctx, f.waiter(v, anchor, n, ""))
		require.NoError(f, err)
		_, subscribed := o.(backing.Queued)
		return subscribed
	})
}

// sink ends a process, as far as the server can see.
func (f *fleet) sink(n int) {
	v := f.vessels[n]
	f.vessels = slices.Delete(f.vessels, n, n+1)
	f.sunk++
	v.dead.Store(true)
	require.NoError(f, v.client.Close())
	f.eventually("the server sees other processes than those that live", func() bool {
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

func (v *vessel) holders() []string { return append(slices.Clone(v.waiters), v.trier) }

func (f *fleet) alive(holder string) bool {
	return slices.ContainsFunc(f.vessels, func(v *vessel) bool { return slices.Contains(v.holders(), holder) })
}

// waiter is a claimant of a process. Wake-ups in a dead process do not count: its client is
// closed, and wakes all waiters.
func (f *fleet) waiter(v *vessel, key, holder, attempt string) backing.Waiter {
	return backing.Waiter{
		Claim: backing.Claim{Key: key, Holder: holder, Attempt: attempt, TTL: lasting},
		Wake: func() {
			if key != anchor && !v.dead.Load() {
				f.woken <- wakeUp{key, holder}
			}
		},
	}
}

func (f *fleet) eventually(otherwise string, is func() bool) {
	for give := time.Now().Add(10 * time.Second); !is(); time.Sleep(time.Millisecond) {
		require.True(f, time.Now().Before(give), otherwise)
	}
}

// published returns how many messages the server has been asked to publish in all.
func (f *fleet) published() (n int) {
	stats, err := f.admin.InfoMap(context.Background(), "commandstats").Result()
	require.NoError(f, err)
	_, _ = fmt.Sscanf(stats["Commandstats"]["cmdstat_publish"], "calls=%d,", &n)
	return n
}

// keysOf returns the names of a lock and of its queue, and the prefix of the names of its
// releases.
func keysOf(key string) (lock, queue, released string) {
	lock = "dmutex:" + key
	own := "dmutex:{" + lock + "}"
	if strings.Contains(key, "{") {
		own = fmt.Sprintf("dmutex:{tag}%d:%s", len(lock), lock)
	}
	return lock, own + "~queue", own + "~released:"
}

// inStore compares the store with the ledger.
func (f *fleet) inStore(key string) {
	l, ctx := f.locks[key], context.Background()
	lock, queue, released := keysOf(key)
	holder, err := f.admin.Get(ctx, lock).Result()
	if err != nil {
		require.ErrorIs(f, err, goredis.Nil)
	}
	require.Equal(f, l.holder, holder, "the holder of %q", key)

	waiting, passed, late := []string{}, []string{}, map[string]bool{}
	members, err := f.admin.ZRangeWithScores(ctx, queue, 0, -1).Result()
	require.NoError(f, err)
	for _, m := range members {
		member := m.Member.(string)
		switch claim, isLate := strings.CutPrefix(member, "x "); {
		case isLate:
			late[claim] = true
		case m.Score < passedOver:
			waiting = append(waiting, strings.SplitN(member, " ", 3)[2])
		default:
			passed = append(passed, strings.SplitN(member, " ", 3)[2])
		}
	}
	require.Equal(f, l.waiting(false), waiting, "the queue for %q", key)
	require.Equal(f, l.waiting(true), passed, "the holders passed over for %q", key)
	require.Equal(f, l.late, late, "the claims whose requests for %q are refused", key)

	keys, err := f.admin.Keys(ctx, "*").Result()
	require.NoError(f, err)
	memories := []string{}
	for _, k := range keys {
		ttl := f.admin.PTTL(ctx, k).Val()
		switch {
		case strings.HasPrefix(k, released):
			memories = append(memories, f.admin.Get(ctx, k).Val())
			require.NoError(f, f.admin.PExpire(ctx, k, lasting).Err()) // the run may take longer
		case strings.HasSuffix(k, "~fence"):
			require.Equal(f, strconv.FormatUint(f.token, 10), f.admin.Get(ctx, k).Val(), "the last token")
			continue
		}
		require.NotEqual(f, time.Duration(-1), ttl, "%q is kept forever", k)
	}
	require.ElementsMatch(f, slices.Collect(maps.Values(l.released)), memories, "the releases of %q that are remembered", key)
}

// passedOver is added to the score of a holder that was passed over.
const passedOver = 1 << 52
