package hazards_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/mutex"
)

// contender is a goroutine that wants a lock, and keeps it until it is told to
// let go.
type contender struct {
	events
	key    string
	cancel context.CancelFunc // has it give up
	inside chan struct{}      // closed when it has the lock
	since  time.Time          // when that was
	token  uint64
	holder string
	leave  chan struct{}
	done   chan struct{}
	err    error
}

// contend has a goroutine want the lock of key. It is cancelled, if need be, when
// the test ends.
func contend(t *testing.T, b backing.Backing, key string, c mutex.Config) *contender {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	who := &contender{key: key, cancel: cancel, inside: make(chan struct{}), leave: make(chan struct{}), done: make(chan struct{})}
	c.Observer = who.observe
	m, err := mutex.New(b, key, c)
	require.NoError(t, err)
	go func() {
		defer close(who.done)
		_, who.err = mutex.WithLock(m, func(ctx context.Context) (struct{}, error) {
			lock, _ := mutex.FromContext(ctx)
			who.since, who.token, who.holder = time.Now(), lock.Token(), lock.HolderID()
			close(who.inside)
			select {
			case <-who.leave:
				return struct{}{}, nil
			case <-ctx.Done():
				return struct{}{}, context.Cause(ctx)
			}
		})(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-who.done
	})
	return who
}

// enters waits until the contender has the lock, and fails the test after the limit.
func (c *contender) enters(t *testing.T, limit time.Duration) {
	t.Helper()
	select {
	case <-c.inside:
	case <-c.done:
		require.FailNow(t, "ended without the lock", "%v", c.err)
	case <-time.After(limit):
		require.FailNow(t, "does not have the lock", "after %v", limit)
	}
}

// letsGo has the contender release the lock, which it must still have.
func (c *contender) letsGo(t *testing.T) {
	t.Helper()
	close(c.leave)
	<-c.done
	assert.NoError(t, c.err)
	assert.Equal(t, 1, c.seen(mutex.Released))
	assert.Zero(t, c.seen(mutex.Lost))
}

// gone waits until the contender has ended, and returns its error.
func (c *contender) gone(t *testing.T, limit time.Duration) error {
	t.Helper()
	select {
	case <-c.done:
	case <-time.After(limit):
		require.FailNow(t, "has not ended", "after %v", limit)
	}
	return c.err
}

// waits waits until the store has refused the contender.
func (c *contender) waits(t *testing.T) {
	t.Helper()
	eventually(t, func() bool { return c.seen(mutex.Waiting) > 0 }, "it waits")
}

// events counts what an observer is told.
type events struct {
	mu    sync.Mutex
	count map[mutex.EventKind]int
	last  map[mutex.EventKind]error
	when  map[mutex.EventKind]time.Time // it was last seen
}

func (e *events) observe(event mutex.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.count == nil {
		e.count, e.last, e.when = map[mutex.EventKind]int{}, map[mutex.EventKind]error{}, map[mutex.EventKind]time.Time{}
	}
	e.count[event.Kind]++
	e.last[event.Kind] = event.Err
	e.when[event.Kind] = time.Now()
}

func (e *events) seen(kind mutex.EventKind) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.count[kind]
}

func (e *events) lastSeen(kind mutex.EventKind) time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.when[kind]
}

func (e *events) lastError(kind mutex.EventKind) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.last[kind]
}
