package redis_test

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/backingtest"
	"github.com/effectlock/effectlock/internal/redistest"
	"github.com/effectlock/effectlock/redis"
)

func TestContractOnOneServer(t *testing.T) {
	t.Parallel()
	_, c := start(t)
	backingtest.Run(t, func(*testing.T) backing.Backing { return redis.New(c) }, backingtest.RemembersUnanswered())
}

func TestContractOnCluster(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t)
	c := cluster.Client(t)
	backingtest.Run(t, func(*testing.T) backing.Backing { return redis.New(c) }, backingtest.RemembersUnanswered())
	for _, s := range cluster.Servers {
		assertAllExpire(t, s.Client(t))
	}
}

func TestContractUnderFaults(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]goredis.Options{
		"client with its defaults":        {},
		"client that tries nothing twice": {MaxRetries: -1, DialerRetries: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			backingtest.RunFaults(t, func(t *testing.T) (backing.Backing, backingtest.Faults) { return faulty(t, o) }, backingtest.RemembersUnanswered())
		})
	}
}

// faulty is a backing on a server of its own, which keeps its data over a restart: by
// default, Redis may write its log after it has answered, if the disk is busy.
func faulty(t *testing.T, o goredis.Options) (backing.Backing, backingtest.Faults) {
	t.Helper()
	s, direct := start(t, "--appendonly", "yes", "--appendfsync", "always")
	w := &ways{t: t, server: s.Addr()}
	w.add()
	o.Dialer = w.dial
	c := dial(t, o)
	b := redis.New(c)
	// A proxy cannot distinguish an operation from the reply that the server does not know
	// its script.
	loadScripts(t, redis.New(direct))
	warm(t, b)
	t.Cleanup(func() { assert.Equal(t, w.lost, w.dropped(), "answers that were lost") })
	return b, backingtest.Faults{
		LoseReply: w.loseReply,
		Cut:       w.cut,
		Heal:      w.heal,
		Wipe:      func() { require.NoError(t, direct.FlushAll(t.Context()).Err()) },
		Restart:   s.Restart,
	}
}

// ways are connections to a server. What was sent on one that was cut arrives later than
// what is sent on the next.
type ways struct {
	t      *testing.T
	server string
	mu     sync.Mutex
	all    []*redistest.Proxy
	cuts   int
	lost   int
}

func (w *ways) add() { w.all = append(w.all, redistest.NewProxy(w.t, w.server)) }

func (w *ways) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	w.mu.Lock()
	last := w.all[len(w.all)-1].Addr()
	w.mu.Unlock()
	return new(net.Dialer).DialContext(ctx, network, last)
}

func (w *ways) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cuts++
	for _, p := range w.all {
		p.Cut()
	}
}

func (w *ways) heal() {
	w.mu.Lock()
	defer w.mu.Unlock()
	cuts, cut := w.cuts, w.all
	w.add()
	time.AfterFunc(50*time.Millisecond, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.cuts > cuts {
			return
		}
		for _, p := range cut {
			p.Heal()
		}
	})
}

func (w *ways) loseReply() {
	w.lost++
	for _, p := range w.all {
		p.DropReplies(1, "evalsha")
	}
}

func (w *ways) dropped() (n int) {
	for _, p := range w.all {
		n += p.Dropped()
	}
	return n
}

func loadScripts(t *testing.T, b *redis.Backing) {
	t.Helper()
	warm(t, b)
	c := claim("loaded", "a")
	acquire(t, b, c.Key, c.Holder)
	for _, r := range b.RefreshAll(t.Context(), []backing.Claim{c, claim("not held", "a")}) {
		require.NoError(t, r.Err)
	}
	next := backing.Waiter{Claim: claim(c.Key, "b"), Wake: func() {}}
	_, err := b.Enqueue(t.Context(), next)
	require.NoError(t, err)
	o, err := b.Pass(t.Context(), c, next, false)
	require.NoError(t, err)
	require.IsType(t, backing.Granted{}, o)
	assertReleases(t, true, b, c.Key, "b")
}
