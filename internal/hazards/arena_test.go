package hazards_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
)

// arena is where contenders want locks, and the judge of the holders: two never have a lock at a
// time, as long as the context of the first says that it still has it, and each has a higher
// token than the one before.
type arena struct {
	t   *testing.T
	key string // of this test's lock

	mu      sync.Mutex
	locks   map[string]*holders
	lenient bool // what doubles counts is not a failure
	doubles int  // how many have entered while another had the lock
}

// holders are the contexts of the holders of a lock, and its last token.
type holders struct {
	inside map[context.Context]bool
	token  uint64
}

func newArena(t *testing.T) *arena {
	t.Helper()
	return &arena{t: t, key: newKey(), locks: map[string]*holders{}}
}

// name returns the name of another lock of the test.
func (a *arena) name(i int) string { return fmt.Sprint(a.key, i) }

func (a *arena) names(n int) (all []string) {
	for i := range n {
		all = append(all, a.name(i))
	}
	return all
}

// expectsTwo allows two holders from now on: the test shows what becomes of that.
func (a *arena) expectsTwo() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lenient = true
}

func (a *arena) doubled() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.doubles
}

// enter judges the work of ctx, which has just got a lock, and returns a function to call at its end.
func (a *arena) enter(ctx context.Context) (leave func()) {
	lock := lockOf(ctx)
	a.mu.Lock()
	defer a.mu.Unlock()
	l := a.locks[lock.Key()]
	if l == nil {
		l = &holders{inside: map[context.Context]bool{}}
		a.locks[lock.Key()] = l
	}
	for other := range l.inside {
		if other.Err() == nil {
			a.doubles++
			assert.True(a.t, a.lenient, "two are inside %q", lock.Key())
		}
	}
	if !a.lenient {
		assert.Greater(a.t, lock.Token(), l.token, "token of %q", lock.Key())
	}
	l.inside[ctx], l.token = true, lock.Token()
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(l.inside, ctx)
	}
}

// turns are processes that take turns at locks until they are stopped.
type turns struct {
	events
	t       *testing.T
	stopped atomic.Bool
	running sync.WaitGroup
	taken   []atomic.Int64 // the turns of each process at each lock
}

// takeTurns makes each process take turns at each of the locks.
func (a *arena) takeTurns(names []string, processes ...backing.Backing) *turns {
	a.t.Helper()
	all := &turns{t: a.t, taken: make([]atomic.Int64, len(names)*len(processes))}
	a.t.Cleanup(all.end)
	for i, name := range names {
		for j, b := range processes {
			m := newMutex(a.t, b, name, mutex.Config{TTL: long, Observer: mutex.Observe(all.observe)})
			taken := &all.taken[i*len(processes)+j]
			all.running.Go(func() {
				for !all.stopped.Load() && !a.t.Failed() {
					_, err := mutex.WithLock(m, func(ctx context.Context) (effect.Void, error) {
						defer a.enter(ctx)()
						taken.Add(1)
						return effect.Sleep(5 * time.Millisecond)(ctx)
					})(context.Background())
					assert.NoError(a.t, err)
				}
			})
		}
	}
	return all
}

// each waits until each process has had n more turns at each lock.
func (all *turns) each(n int64) {
	all.t.Helper()
	for i := range all.taken {
		until := all.taken[i].Load() + n
		eventually(all.t, func() bool { return all.taken[i].Load() >= until }, "%d turns", n)
	}
}

func (all *turns) end() {
	all.stopped.Store(true)
	all.running.Wait()
}

// stop ends all processes, which must not have lost a lock.
func (all *turns) stop() {
	all.t.Helper()
	all.end()
	assert.Zero(all.t, all.seen(mutex.Lost), "%v", all.lastError(mutex.Lost))
	assert.Zero(all.t, all.seen(mutex.NotAcquired))
}
