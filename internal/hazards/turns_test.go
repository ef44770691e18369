package hazards_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
)

// turnstile is what has been seen of one lock that several take turns at.
type turnstile struct {
	inside, overlaps atomic.Int64
	token            atomic.Uint64

	mu   sync.Mutex
	left time.Time     // when the last one left; zero while there is none
	idle time.Duration // the longest that it was free, though others waited
}

// enter is the beginning of a turn.
func (l *turnstile) enter(token uint64) {
	if l.inside.Add(1) > 1 || l.token.Swap(token) >= token {
		l.overlaps.Add(1)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.left.IsZero() {
		l.idle = max(l.idle, time.Since(l.left))
	}
}

// leave is its end, before the lock is released.
func (l *turnstile) leave() {
	l.mu.Lock()
	l.left = time.Now()
	l.mu.Unlock()
	l.inside.Add(-1)
}

// takeTurns has each process take turns at each of the locks, for so long. It asserts
// that two are never inside and that tokens rise, that everybody is served, and that no
// lock is free for longer than idle while somebody waits for it.
func takeTurns(t *testing.T, d, idle time.Duration, names []string, processes ...backing.Backing) {
	t.Helper()
	const work = 20 * time.Millisecond
	ctx, stop := context.WithTimeout(t.Context(), d)
	defer stop()
	var running sync.WaitGroup
	var seen events
	locks := make([]turnstile, len(names))
	turns := make([]atomic.Int64, len(names)*len(processes))
	for i, name := range names {
		for j, b := range processes {
			m := newMutex(t, b, name, mutex.Config{TTL: long, Observer: seen.observe})
			running.Go(func() {
				for ctx.Err() == nil && locks[i].overlaps.Load() == 0 {
					_, err := mutex.WithLock(m, func(ctx context.Context) (none effect.Void, err error) {
						lock, _ := mutex.FromContext(ctx)
						locks[i].enter(lock.Token())
						defer locks[i].leave()
						turns[i*len(processes)+j].Add(1)
						return effect.Sleep(work)(ctx)
					})(context.WithoutCancel(ctx))
					if !assert.NoError(t, err) {
						return
					}
				}
			})
		}
	}
	running.Wait()
	for i, name := range names {
		assert.Zero(t, locks[i].overlaps.Load(), "%s: two are inside", name)
		assert.LessOrEqual(t, locks[i].idle, idle, "%s: it was free that long", name)
		for j := range processes {
			assert.Positive(t, turns[i*len(processes)+j].Load(), "%s: process %d was never served", name, j)
		}
	}
	assert.Zero(t, seen.seen(mutex.Lost), "%v", seen.lastError(mutex.Lost))
}
