package hazards_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/mutex"
)

// contender is a goroutine that wants a lock, and keeps it until letsGo is called.
type contender struct {
	events
	t      *testing.T
	key    string
	cancel context.CancelFunc // makes it give up
	inside chan struct{}      // closed when it has the lock
	since  time.Time          // when it got the lock
	token  uint64
	holder string
	leave  chan struct{}
	done   chan struct{}
	err    error
	loss   *mutex.LockLostError // what err is, once loses has checked it
}

// want starts a contender for the lock of the test, with a long lease unless a
// configuration is given. It is cancelled, if it still runs, when the test ends.
func (a *arena) want(b backing.Backing, configs ...mutex.Config) *contender {
	a.t.Helper()
	return a.wantKey(a.key, b, configs...)
}

func (a *arena) wantKey(key string, b backing.Backing, configs ...mutex.Config) *contender {
	a.t.Helper()
	config := mutex.Config{TTL: long}
	for _, config = range configs {
	}
	ctx, cancel := context.WithCancel(context.Background())
	c := &contender{
		t: a.t, key: key, cancel: cancel,
		inside: make(chan struct{}), leave: make(chan struct{}), done: make(chan struct{}),
	}
	config.Observer = mutex.Observe(c.observe)
	m, err := mutex.New(b, key, config)
	require.NoError(a.t, err)
	go func() {
		defer close(c.done)
		_, c.err = mutex.WithLock(m, func(ctx context.Context) (struct{}, error) {
			defer a.enter(ctx)()
			lock := lockOf(ctx)
			c.since, c.token, c.holder = time.Now(), lock.Token(), lock.HolderID()
			close(c.inside)
			select {
			case <-c.leave:
				return struct{}{}, nil
			case <-ctx.Done():
				return struct{}{}, context.Cause(ctx)
			}
		})(ctx)
	}()
	a.t.Cleanup(func() {
		cancel()
		<-c.done
	})
	return c
}

// hold starts a contender, and returns when it has the lock.
func (a *arena) hold(b backing.Backing, configs ...mutex.Config) *contender {
	a.t.Helper()
	return a.holdKey(a.key, b, configs...)
}

func (a *arena) holdKey(key string, b backing.Backing, configs ...mutex.Config) *contender {
	a.t.Helper()
	c := a.wantKey(key, b, configs...)
	c.enters()
	return c
}

// wait starts a contender, and returns when it waits for another.
func (a *arena) wait(b backing.Backing, configs ...mutex.Config) *contender {
	a.t.Helper()
	c := a.want(b, configs...)
	c.waits()
	return c
}

// crowd returns n contenders, each of which has a lock of its own.
func (a *arena) crowd(b backing.Backing, n int, config mutex.Config) (all []*contender) {
	a.t.Helper()
	for i := range n {
		all = append(all, a.wantKey(a.name(i), b, config))
	}
	for _, c := range all {
		c.enters()
	}
	return all
}

// enters waits until the contender has the lock.
func (c *contender) enters() {
	c.t.Helper()
	select {
	case <-c.inside:
	case <-c.done:
		require.FailNow(c.t, "ended without the lock", "%v", c.err)
	case <-time.After(soon):
		require.FailNow(c.t, "does not have the lock")
	}
}

// letsGo ends the work of a contender, which must still have the lock.
func (c *contender) letsGo() {
	c.t.Helper()
	close(c.leave)
	assert.NoError(c.t, c.gone())
	assert.Equal(c.t, 1, c.seen(mutex.Released))
	assert.Zero(c.t, c.seen(mutex.Lost))
}

// takesTurn waits until the contender has the lock, and ends its work.
func (c *contender) takesTurn() {
	c.t.Helper()
	c.enters()
	c.letsGo()
}

// gone waits until the contender has ended, and returns its error.
func (c *contender) gone() error {
	c.t.Helper()
	select {
	case <-c.done:
	case <-time.After(soon):
		require.FailNow(c.t, "has not ended")
	}
	return c.err
}

// loses waits until the contender has ended with a loss for one of the reasons.
func (c *contender) loses(reasons ...mutex.LossReason) {
	c.t.Helper()
	c.loss = lossOf(c.t, c.gone())
	assert.Contains(c.t, reasons, c.loss.Reason)
	assert.Equal(c.t, c.key, c.loss.Key)
	assert.Equal(c.t, c.token, c.loss.Token)
	assert.Equal(c.t, 1, c.seen(mutex.Lost))
	assert.Zero(c.t, c.seen(mutex.Released))
}

// lossOf returns the loss that err must be.
func lossOf(t *testing.T, err error) *mutex.LockLostError {
	t.Helper()
	var lost *mutex.LockLostError
	require.ErrorAs(t, err, &lost)
	return lost
}

// waits waits until the store has refused the contender.
func (c *contender) waits() { c.t.Helper(); c.awaits(mutex.Waiting) }

// awaits waits until the contender's observer has been called with an event of this kind.
func (c *contender) awaits(kind mutex.EventKind) {
	c.t.Helper()
	eventually(c.t, func() bool { return c.seen(kind) > 0 }, "%s", kind)
}

// isInside reports whether the contender has entered.
func (c *contender) isInside() bool {
	select {
	case <-c.inside:
		return true
	default:
		return false
	}
}

func (c *contender) assertOutside() { c.t.Helper(); assert.False(c.t, c.isInside(), "it is inside") }

// assertQuiet asserts that the server has refused none of the contender's requests. On a busy
// machine a request may get no answer.
func (c *contender) assertQuiet() {
	c.t.Helper()
	for _, kind := range []mutex.EventKind{mutex.BackingFailed, mutex.Polling} {
		var answer goredis.Error
		err := c.lastError(kind)
		assert.NotErrorAs(c.t, err, &answer, "%s %s", c.key, kind)
	}
}

// oneOf waits until one of the contenders has the lock, and returns its index.
func oneOf(t *testing.T, all []*contender) (i int) {
	t.Helper()
	eventually(t, func() bool {
		i = slices.IndexFunc(all, (*contender).isInside)
		return i >= 0
	}, "one of %d has the lock", len(all))
	return i
}

// serve ends the work of all contenders in the order in which they get the lock.
func serve(t *testing.T, all ...*contender) {
	t.Helper()
	for len(all) > 0 {
		i := oneOf(t, all)
		all[i].letsGo()
		all = slices.Delete(all, i, i+1)
	}
}

// events counts the events of an observer.
type events struct {
	mu    sync.Mutex
	count map[mutex.EventKind]int
	last  map[mutex.EventKind]error
}

func (e *events) observe(event mutex.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.count == nil {
		e.count, e.last = map[mutex.EventKind]int{}, map[mutex.EventKind]error{}
	}
	e.count[event.Kind]++
	e.last[event.Kind] = event.Err
}

func (e *events) seen(kind mutex.EventKind) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.count[kind]
}

func (e *events) lastError(kind mutex.EventKind) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.last[kind]
}
