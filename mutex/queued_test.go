package mutex_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
)

// queued is a store that queues those who wait, hands the lock over, refreshes in
// batches and says who has released a claim, with faults. Each queued is a process of its own: it has
// its own lines, also on a memory that it shares.
type queued struct {
	*store
	pass         func(ctx context.Context, from backing.Claim, next backing.Waiter, yield bool) (backing.Outcome, error)
	enqueue      func(context.Context, backing.Waiter) (backing.Outcome, error)
	refreshAll   func(context.Context, []backing.Claim) []backing.Refreshed
	releaseClaim func(context.Context, backing.Claim) (backing.Released, error)
}

func newQueued() *queued { return &queued{store: newStore()} }

func (q *queued) Abilities() backing.Abilities {
	return backing.Abilities{Of: q, Queue: q, Passer: q, Batcher: q, Releaser: q}
}

// anotherProcess has the same memory.
func (q *queued) anotherProcess() *queued {
	other := newQueued()
	other.current.Store(q.real())
	return other
}

func (q *queued) Pass(ctx context.Context, from backing.Claim, next backing.Waiter, yield bool) (backing.Outcome, error) {
	q.count("pass")
	if fault := hook(q, &q.pass); fault != nil {
		return fault(ctx, from, next, yield)
	}
	return q.real().Pass(ctx, from, next, yield)
}

func (q *queued) Enqueue(ctx context.Context, w backing.Waiter) (backing.Outcome, error) {
	q.count("enqueue")
	if fault := hook(q, &q.enqueue); fault != nil {
		return fault(ctx, w)
	}
	return q.real().Enqueue(ctx, w)
}

func (q *queued) RefreshAll(ctx context.Context, claims []backing.Claim) []backing.Refreshed {
	q.count("refreshAll")
	if fault := hook(q, &q.refreshAll); fault != nil {
		return fault(ctx, claims)
	}
	return q.real().RefreshAll(ctx, claims)
}

func (q *queued) ReleaseClaim(ctx context.Context, c backing.Claim) (backing.Released, error) {
	q.count("release")
	if fault := hook(q, &q.releaseClaim); fault != nil {
		return fault(ctx, c)
	}
	return q.real().ReleaseClaim(ctx, c)
}

// hook reads what a test may set while others use the store.
func hook[F any](q *queued, f *F) F {
	q.mu.Lock()
	defer q.mu.Unlock()
	return *f
}

func setHook[F any](q *queued, f *F, to F) {
	q.mu.Lock()
	defer q.mu.Unlock()
	*f = to
}

// requests is how many requests the store was sent in all.
func (q *queued) requests() (n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, calls := range q.calls {
		n += calls
	}
	return n
}

// diary is who had the lock, in turn.
type diary struct {
	mu     sync.Mutex
	who    []string
	tokens []uint64
	inside int
}

// entry is work that writes itself into the diary.
func (d *diary) entry(t *testing.T, who string, work effect.Effect[effect.Void]) effect.Effect[effect.Void] {
	t.Helper()
	return func(ctx context.Context) (effect.Void, error) {
		lock, ok := mutex.FromContext(ctx)
		require.True(t, ok)
		d.mu.Lock()
		d.who, d.tokens = append(d.who, who), append(d.tokens, lock.Token())
		d.inside++
		require.Equal(t, 1, d.inside, "two holders at once")
		d.mu.Unlock()
		defer func() {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.inside--
		}()
		return work(ctx)
	}
}

func (d *diary) requireRisingTokens(t *testing.T) {
	t.Helper()
	for i := 1; i < len(d.tokens); i++ {
		require.Greater(t, d.tokens[i], d.tokens[i-1])
	}
}

// locker has somebody lock in the background, in virtual time.
func locker(t *testing.T, m *mutex.Mutex, work effect.Effect[effect.Void]) *effect.Fiber[effect.Void] {
	t.Helper()
	f, err := effect.Fork(mutex.WithLock(m, work))(t.Context())
	require.NoError(t, err)
	return f
}

// arrived waits until everybody who has come for the lock waits for it.
func arrived() { time.Sleep(time.Nanosecond) }

func join(t *testing.T, fibers ...*effect.Fiber[effect.Void]) {
	t.Helper()
	for _, f := range fibers {
		_, err := f.Join()(t.Context())
		require.NoError(t, err)
	}
}
