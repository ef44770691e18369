package hazards_test

import (
	"context"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/internal/redistest"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
)

const (
	// lease is one that ends within a test.
	lease = 5 * time.Second

	// lag is how long a reply takes: more than the 1 %, so that a deadline that is
	// counted from the reply is too late.
	lag = 300 * time.Millisecond
)

// diary is a backing that notes when the last request began that succeeded, of
// those that begin a lease.
type diary struct {
	*redis.Backing

	mu        sync.Mutex
	begun     time.Time
	refreshes int
	flying    bool
}

// Abilities has no Batcher, so that each refresh is one of Refresh.
func (d *diary) Abilities() backing.Abilities {
	return backing.Abilities{Of: d, Queue: d, Passer: d.Backing, Releaser: d.Backing}
}

func (d *diary) Enqueue(ctx context.Context, w backing.Waiter) (backing.Outcome, error) {
	begun := time.Now()
	outcome, err := d.Backing.Enqueue(ctx, w)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.begun = begun
	return outcome, err
}

func (d *diary) Refresh(ctx context.Context, c backing.Claim) (bool, error) {
	begun := time.Now()
	d.departs()
	held, err := d.Backing.Refresh(ctx, c)
	d.lands(begun, held && err == nil)
	return held, err
}

func (d *diary) departs() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.flying = true
}

func (d *diary) lands(begun time.Time, well bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.flying = false
	if well {
		d.begun = begun
		d.refreshes++
	}
}

// last is when the last request began that succeeded, and how many refreshes did.
func (d *diary) last() (begun time.Time, refreshes int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.begun, d.refreshes
}

func (d *diary) isFlying() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.flying
}

// lonely is a holder that is about to be cut off.
type lonely struct {
	store
	diary     *diary
	network   *redistest.Proxy
	refused   *atomic.Bool // whether connections are, which it makes
	inside    chan struct{}
	cancelled chan moment
	done      chan error
}

// moment is when work saw that it was cancelled, and the longest time for which
// its process did not run before.
type moment struct {
	time.Time
	paused time.Duration
}

// atLatest is when it would have seen that on a machine with nothing else to do.
func (m moment) atLatest() time.Time { return m.Add(-m.paused) }

// newLonely is one who has just got the lock.
func newLonely(t *testing.T, c mutex.Config) *lonely {
	t.Helper()
	l := &lonely{store: newTrainedStore(t), refused: &atomic.Bool{}, inside: make(chan struct{}), cancelled: make(chan moment, 1), done: make(chan error, 1)}
	l.network = redistest.NewProxy(t, l.Addr())
	client := goredis.NewClient(&goredis.Options{Addr: l.network.Addr(), Dialer: func(ctx context.Context, network, addr string) (net.Conn, error) {
		if l.refused.Load() {
			return nil, &net.OpError{Op: "dial", Net: network, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
		}
		var d net.Dialer
		return d.DialContext(ctx, network, addr)
	}})
	t.Cleanup(func() { _ = client.Close() })
	l.diary = &diary{Backing: redis.New(client)}
	connect(t, l.diary.Backing)
	l.network.Delay(lag)
	m := newMutex(t, l.diary, key, c)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, err := mutex.WithLock(m, func(ctx context.Context) (effect.Void, error) {
			close(l.inside)
			p := newPulse()
			<-ctx.Done()
			now := time.Now()
			l.cancelled <- moment{now, p.longestPause()}
			return effect.Void{}, context.Cause(ctx)
		})(ctx)
		l.done <- err
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	select {
	case <-l.inside:
	case <-time.After(patience):
		require.Fail(t, "does not have the lock")
	}
	return l
}

// refreshes waits until its lease has been refreshed.
func (l *lonely) refreshes(t *testing.T) {
	t.Helper()
	eventually(t, func() bool { _, n := l.diary.last(); return n > 0 }, "a refresh succeeds")
}

// stops waits until the work is cancelled, which must be because the lease has
// expired that was counted from the start of the last request that succeeded.
func (l *lonely) stops(t *testing.T) (at moment) {
	t.Helper()
	select {
	case at = <-l.cancelled:
	case <-time.After(lease + patience):
		require.Fail(t, "it works on")
	}
	begun, _ := l.diary.last()
	assert.LessOrEqual(t, at.atLatest().Sub(begun), lease, "cancelled after the lease had ended")
	assert.Greater(t, at.Sub(begun), lease*9/10, "cancelled long before the lease ends")
	return at
}

func (l *lonely) hasLost(t *testing.T) {
	t.Helper()
	var lost *mutex.LockLostError
	require.ErrorAs(t, <-l.done, &lost)
	assert.Equal(t, mutex.Expired, lost.Reason)
}

// The server and everybody else can be reached, only not by the holder.
func TestHazard08_AHolderThatIsCutOffStopsBeforeAnotherBegins(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		cuts func(*lonely)
		amid bool // while a refresh is under way
	}{
		"nothing passes, amid a refresh":  {func(l *lonely) { l.network.Cut() }, true},
		"no reply passes, amid a refresh": {func(l *lonely) { l.network.CutReplies() }, true},
		"all connections break":           {func(l *lonely) { l.network.Cut(); l.network.Reset() }, true},
		"all connections are refused":     {func(l *lonely) { l.refused.Store(true); l.network.Reset() }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLonely(t, mutex.Config{TTL: lease, RefreshInterval: 2 * lag})
			rival := contend(t, l.process(t), key, mutex.Config{TTL: long})
			l.awaitQueue(t, 1)
			l.refreshes(t)
			eventually(t, func() bool { return l.diary.isFlying() == c.amid }, "a refresh is under way: %v", c.amid)
			c.cuts(l)

			stopped := l.stops(t)
			rival.enters(t, lease+soon)
			assert.True(t, stopped.atLatest().Before(rival.since), "two worked, for %v", stopped.Sub(rival.since))
			l.network.Heal()
			l.hasLost(t)
			l.assertHolds(t, rival)
			rival.letsGo(t)
			l.isFree(t, soon)
		})
	}
}

// The server has heard of a refresh that the holder knows nothing of. The lease
// runs on there; but the holder cannot rely on it.
func TestHazard08_ARefreshWhoseReplyIsLostProlongsNothing(t *testing.T) {
	t.Parallel()
	l := newLonely(t, mutex.Config{TTL: lease, RefreshInterval: lease / 3})
	l.refreshes(t)
	l.network.CutReplies()
	heard := l.scripts(t)
	eventually(t, func() bool { return l.scripts(t) > heard }, "a refresh arrives")
	l.network.Cut()

	l.stops(t)
	assert.Positive(t, l.ttl(t, key), "the server did not hear of the refresh")
	l.network.Heal()
	l.hasLost(t)
	l.isFree(t, soon)
}

// The same for the grant, if there was no refresh yet.
func TestHazard08_ALeaseIsCountedFromBeforeItWasAskedFor(t *testing.T) {
	t.Parallel()
	l := newLonely(t, mutex.Config{TTL: lease, RefreshInterval: lease / 2})
	l.network.Cut()
	rival := contend(t, l.process(t), key, mutex.Config{TTL: long})
	stopped := l.stops(t)
	_, refreshes := l.diary.last()
	require.Zero(t, refreshes)
	rival.enters(t, soon)
	assert.True(t, stopped.atLatest().Before(rival.since), "two worked, for %v", stopped.Sub(rival.since))
	l.network.Heal()
	l.hasLost(t)
	rival.letsGo(t)
	l.isFree(t, soon)
}
