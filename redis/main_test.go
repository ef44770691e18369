package redis_test

import (
	"context"
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

func TestMain(m *testing.M) { redistest.Main(m) }

// lease is longer than any test takes.
const lease = time.Minute

func claim(key, holder string) backing.Claim {
	return backing.Claim{Key: key, Holder: holder, TTL: lease}
}

// The keys of the lock dmutex:k, and the fence of all locks.
const (
	queueKey = "dmutex:{dmutex:k}~queue"
	fenceKey = "dmutex:{3560}~fence" // 3560 hashes to slot 0
)

// start starts a server and checks, when the test ends, that it keeps only fences forever.
func start(t *testing.T, args ...string) (*redistest.Server, *goredis.Client) {
	t.Helper()
	s := redistest.Start(t, args...)
	c := s.Client(t)
	t.Cleanup(func() { assertAllExpire(t, c) })
	return s, c
}

// dial returns a client with these options, which is closed at the end of the test.
func dial(t testing.TB, o goredis.Options) *goredis.Client {
	t.Helper()
	c := goredis.NewClient(&o)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// as returns a client of the user worker, who may do everything, changed by these rules.
func as(t *testing.T, admin *goredis.Client, rules ...string) *goredis.Client {
	t.Helper()
	setUser(t, admin, append([]string{"~*", "&*", "+@all"}, rules...))
	o := *admin.Options()
	o.Username, o.Password = "worker", "pw"
	return dial(t, o)
}

func assertAllExpire(t *testing.T, c *goredis.Client) {
	t.Helper()
	ctx := context.Background()
	keys, err := c.Keys(ctx, "*").Result()
	require.NoError(t, err)
	for _, key := range keys {
		if strings.HasSuffix(key, "~fence") {
			continue
		}
		assert.NotEqual(t, time.Duration(-1), c.PTTL(ctx, key).Val(), "%q is kept forever", key)
	}
}

// acquire acquires a lock that must be free or already the holder's.
func acquire(t *testing.T, b backing.Backing, key, holder string) uint64 {
	t.Helper()
	grant, err := b.TryAcquire(context.Background(), claim(key, holder))
	require.NoError(t, err)
	g, ok := option.Unwrap(grant)
	require.True(t, ok, "%s did not get %q", holder, key)
	return g.Token
}

func assertRefused(t *testing.T, b backing.Backing, key, holder string) {
	t.Helper()
	grant, err := b.TryAcquire(context.Background(), claim(key, holder))
	require.NoError(t, err)
	assert.Equal(t, option.None[backing.Grant](), grant)
}

func assertHolder(t *testing.T, b backing.Backing, key, holder string) {
	t.Helper()
	got, err := b.GetHolder(context.Background(), key)
	require.NoError(t, err)
	assert.Equal(t, option.Some(holder), got)
}

func assertReleases(t *testing.T, want bool, b backing.Backing, key, holder string) {
	t.Helper()
	got, err := b.Release(context.Background(), key, holder)
	require.NoError(t, err)
	assert.Equal(t, want, got)
}

func assertReports(t *testing.T, want backing.Released, b *redis.Backing, c backing.Claim) {
	t.Helper()
	got, err := b.ReleaseClaim(context.Background(), c)
	require.NoError(t, err)
	assert.Equal(t, want, got)
}

func assertFree(t *testing.T, b backing.Backing, key string) {
	t.Helper()
	locked, err := b.IsLocked(context.Background(), key)
	require.NoError(t, err)
	assert.False(t, locked, "%q is held", key)
}

func assertRefreshes(t *testing.T, want bool, b backing.Backing, key, holder string) {
	t.Helper()
	got, err := b.Refresh(context.Background(), claim(key, holder))
	require.NoError(t, err)
	assert.Equal(t, want, got)
}

// stays checks for a while that something does not change. Unlike testify's Never it does
// so on the goroutine of the test, which ends no earlier than the last check.
func stays(t *testing.T, d time.Duration, as func() bool) {
	t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(time.Millisecond) {
		require.True(t, as())
	}
}

// operations are the five operations, each on the key and by the same holder.
func operations(b backing.Backing, key string) map[string]func(context.Context) error {
	c := claim(key, "h")
	return map[string]func(context.Context) error{
		"TryAcquire": func(ctx context.Context) error { _, err := b.TryAcquire(ctx, c); return err },
		"Refresh":    func(ctx context.Context) error { _, err := b.Refresh(ctx, c); return err },
		"Release":    func(ctx context.Context) error { _, err := b.Release(ctx, c.Key, c.Holder); return err },
		"IsLocked":   func(ctx context.Context) error { _, err := b.IsLocked(ctx, c.Key); return err },
		"GetHolder":  func(ctx context.Context) error { _, err := b.GetHolder(ctx, c.Key); return err },
	}
}

// ran counts how often the server has run each of the commands.
func ran(t *testing.T, c *goredis.Client, command string) int {
	t.Helper()
	stats, err := c.InfoMap(context.Background(), "commandstats").Result()
	require.NoError(t, err)
	calls, _, _ := strings.Cut(strings.TrimPrefix(stats["Commandstats"]["cmdstat_"+command], "calls="), ",")
	n := 0
	for _, digit := range calls {
		n = n*10 + int(digit-'0')
	}
	return n
}

// warm makes the server load the three scripts, so that each later operation is one
// EVALSHA.
func warm(t *testing.T, b *redis.Backing) {
	t.Helper()
	acquire(t, b, "warm", "h")
	assertRefreshes(t, true, b, "warm", "h")
	assertReleases(t, true, b, "warm", "h")
}

// throughProxy returns a backing whose replies the proxy can lose, and one that bypasses
// the proxy. The first never repeats a command by itself.
func throughProxy(t *testing.T) (p *redistest.Proxy, b, direct *redis.Backing) {
	t.Helper()
	s, c := start(t)
	p = redistest.NewProxy(t, s.Addr())
	once := dial(t, goredis.Options{Addr: p.Addr(), MaxRetries: -1})
	b = redis.New(indirect{once})
	warm(t, b)
	return p, b, redis.New(c)
}

// indirect is a client of an unknown type: no request is repeated because its reply is
// late, as on a busy machine.
type indirect struct{ goredis.UniversalClient }

func TestOneRoundTripForEachOperation(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	b := redis.New(indirect{c})
	warm(t, b)
	require.NoError(t, c.ConfigResetStat(t.Context()).Err())
	acquire(t, b, "k", "h")
	assertRefused(t, b, "k", "other")
	assertRefreshes(t, true, b, "k", "h")
	assertReleases(t, true, b, "k", "h")
	assert.Equal(t, 4, ran(t, c, "evalsha"))
	assert.Zero(t, ran(t, c, "eval"))
}

// waiting is a claimant that waits, with its wake-ups.
type waiting struct {
	backing.Waiter
	woken chan struct{}
}

func waiter(key, holder string) waiting {
	w := waiting{woken: make(chan struct{}, 100)}
	w.Waiter = backing.Waiter{Claim: claim(key, holder), Wake: func() { w.woken <- struct{}{} }}
	return w
}

func enqueue(t *testing.T, b *redis.Backing, w waiting) backing.Outcome {
	t.Helper()
	o, err := b.Enqueue(context.Background(), w.Waiter)
	require.NoError(t, err)
	return o
}

// queues puts w in the queue for a lock that is held. A busy machine may take long to
// subscribe.
func queues(t *testing.T, b *redis.Backing, w waiting) backing.Queued {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		switch o := enqueue(t, b, w).(type) {
		case backing.Queued:
			require.Positive(t, o.AskAgain)
			return o
		case backing.MustPoll:
			require.True(t, time.Now().Before(end), "%s is not queued: %v", w.Holder, o.Why)
		default:
			require.Fail(t, "not queued", "%s: %#v", w.Holder, o)
		}
	}
}

func (w waiting) isWoken(t *testing.T) {
	t.Helper()
	select {
	case <-w.woken:
	case <-time.After(20 * time.Second):
		require.Fail(t, "not woken", "%s waits for %s", w.Holder, w.Key)
	}
}

// isGranted waits until w is woken, and asks for the lock that is reserved for it. If the
// machine stopped for two seconds, w is queued again, and asks when it is woken next.
func (w waiting) isGranted(t *testing.T, b *redis.Backing) backing.Grant {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); {
		w.isWoken(t)
		if o, ok := enqueue(t, b, w).(backing.Granted); ok {
			return o.Grant
		}
	}
	require.Fail(t, "not granted", "%s waits for %s", w.Holder, w.Key)
	return backing.Grant{}
}

// inQueue lists the holders in the queue for the lock dmutex:k, in order.
func inQueue(t *testing.T, c *goredis.Client) []string {
	t.Helper()
	members, err := c.ZRange(context.Background(), queueKey, 0, -1).Result()
	require.NoError(t, err)
	holders := []string{}
	for _, member := range members {
		words := strings.SplitN(member, " ", 3)
		holders = append(holders, words[len(words)-1])
	}
	return holders
}

// standIn queues a waiter whose process, if any, listens on channel.
func standIn(t *testing.T, c *goredis.Client, channel, holder string) {
	t.Helper()
	ctx := context.Background()
	require.NoError(t, c.ZAdd(ctx, queueKey, goredis.Z{Score: 1, Member: "2000 " + channel + " " + holder}).Err())
	require.NoError(t, c.PExpire(ctx, queueKey, time.Minute).Err())
}
