package hazards_test

import (
	"fmt"
	"testing"

	"github.com/IBM/fp-go/v2/option"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/memory"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
)

// alike are names of which each begins another, or looks like what the store
// itself puts between names.
var alike = []string{
	"job", "job-1", "job-12", "job:1", "job 1", "jo", "job\x00", "job\x00x", "job\n", "job}", "{job}", "{job}:job-1",
	"job}:job", "{job", "1", "12", "1 job", "2000 push:x job", "6:dmutex:job", " job", "%d", "^job$", "job\xff",
}

// everywhere runs a test on each kind of store that has all abilities.
func everywhere(t *testing.T, test func(t *testing.T, b ableStore)) {
	t.Helper()
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		test(t, newStore(t).process(t))
	})
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		test(t, memory.New())
	})
}

// ableStore is what both kinds of store can do.
type ableStore interface {
	backing.Backing
	backing.Queue
	backing.Passer
	backing.Batcher
}

// Whoever is not the holder, however alike the name, cannot do anything to its lease.
// Each is a process of its own: a server remembers the last release of each client.
func TestHazard40_AHolderWhoseIDBeginsAnotherIsAnother(t *testing.T) {
	t.Parallel()
	test := func(t *testing.T, process func() ableStore) {
		t.Helper()
		ctx := t.Context()
		processes := map[string]ableStore{}
		for _, holder := range alike {
			processes[holder] = process()
		}
		claim := func(holder string) backing.Claim {
			return backing.Claim{Key: key, Holder: holder, TTL: long, Attempt: "1"}
		}
		for i, holder := range alike {
			b := processes[holder]
			got, err := took(b.TryAcquire(ctx, claim(holder)))
			require.NoError(t, err)
			require.True(t, got, "%q", holder)
			for _, other := range alike {
				if other == holder {
					continue
				}
				assertStranger(t, processes[other], holder, claim(other))
			}
			released, err := b.Release(ctx, key, holder)
			require.NoError(t, err)
			assert.True(t, released, "%q", holder)
			for j, other := range alike { // it is remembered who has released up to now
				again, err := processes[other].Release(ctx, key, other)
				require.NoError(t, err)
				assert.Equal(t, j <= i, again, "%q released, and %q asked", holder, other)
			}
		}
	}
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		s := newStore(t)
		test(t, func() ableStore { return s.process(t) })
	})
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		m := memory.New()
		test(t, func() ableStore { return m })
	})
}

// assertStranger asserts that nothing that other does changes who has the lock, be it
// that it has released the lock before.
func assertStranger(t *testing.T, b ableStore, holder string, other backing.Claim) {
	t.Helper()
	ctx := t.Context()
	said := fmt.Sprintf("%q has the lock, and %q asked", holder, other.Holder)
	got, err := took(b.TryAcquire(ctx, other))
	require.NoError(t, err, said)
	assert.False(t, got, said)
	held, err := b.Refresh(ctx, other)
	require.NoError(t, err, said)
	assert.False(t, held, said)
	outcome, err := b.Pass(ctx, other, backing.Waiter{Claim: backing.Claim{Key: other.Key, Holder: "next", TTL: long}, Wake: func() {}}, false)
	require.NoError(t, err, said)
	assert.Equal(t, backing.Refused{}, outcome, said)
	now, err := b.GetHolder(ctx, other.Key)
	require.NoError(t, err, said)
	assert.Equal(t, option.Some(holder), now, said)
}

// A key that begins another is another lock: each has its holder, its token, its
// memory of a release, and its queue.
func TestHazard40_AKeyThatBeginsAnotherIsAnotherLock(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, b ableStore) {
		ctx := t.Context()
		for i, k := range alike {
			got, err := took(b.TryAcquire(ctx, backing.Claim{Key: k, Holder: fmt.Sprint("h", i), TTL: long}))
			require.NoError(t, err)
			require.True(t, got, "%q", k)
		}
		for i, k := range alike {
			for j, other := range alike {
				released, err := b.Release(ctx, other, fmt.Sprint("h", i, "'s waiter"))
				require.NoError(t, err)
				assert.False(t, released, "%q of %q", other, k)
				if i != j {
					released, err := b.Release(ctx, other, fmt.Sprint("h", i))
					require.NoError(t, err)
					assert.False(t, released, "%q of %q", other, k)
				}
			}
		}
		// One waits for each lock, under the same id, and is woken for that one alone.
		for i, k := range alike {
			woken := make(chan string, len(alike))
			waits := func(key string) backing.Claim {
				return backing.Claim{Key: key, Holder: "w", TTL: long, Attempt: fmt.Sprint(i)}
			}
			for _, other := range alike {
				outcome, err := b.Enqueue(ctx, backing.Waiter{Claim: waits(other), Wake: func() { woken <- other }})
				require.NoError(t, err)
				require.IsType(t, backing.Queued{}, outcome, "%q", other)
				require.Positive(t, outcome.(backing.Queued).AskAgain, "%q", other)
			}
			released, err := b.Release(ctx, k, fmt.Sprint("h", i))
			require.NoError(t, err)
			require.True(t, released, "%q", k)
			eventually(t, func() bool { return len(woken) > 0 }, "the waiter for %q is woken", k)
			assert.Equal(t, k, <-woken)
			outcome, err := b.Enqueue(ctx, backing.Waiter{Claim: waits(k), Wake: func() { woken <- k }})
			require.NoError(t, err)
			require.True(t, isGranted(outcome), "%q", k)
			for j, other := range alike {
				want := fmt.Sprint("h", j)
				if j == i {
					want = "w"
				}
				holder, err := b.GetHolder(ctx, other)
				require.NoError(t, err)
				assert.Equal(t, option.Some(want), holder, "%q when %q was let go", other, k)
				remembered, err := b.Release(ctx, other, fmt.Sprint("h", i))
				require.NoError(t, err)
				assert.Equal(t, j == i, remembered, "%q when %q was let go", other, k)
			}
			// Back to where it began.
			back := backing.Claim{Key: k, Holder: fmt.Sprint("h", i), TTL: long, Attempt: "again"}
			outcome, err = b.Pass(ctx, waits(k), backing.Waiter{Claim: back, Wake: func() {}}, false)
			require.NoError(t, err)
			require.True(t, isGranted(outcome), "%q", k)
			assert.Empty(t, woken)
		}
	})
}

// The same with mutexes, whose waiters hand the lock on to each other.
func TestHazard40_MutexesOfIDsThatBeginEachOtherExcludeEachOther(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, b ableStore) {
		first := contend(t, b, key, mutex.Config{TTL: long, HolderID: "job-1"})
		first.enters(t, patience)
		m, err := mutex.New(b, key, mutex.Config{TTL: long, HolderID: "job-12"})
		require.NoError(t, err)
		ran, err := mutex.WithLockIfAvailable(m, effect.Succeed(1))(t.Context())
		require.NoError(t, err)
		assert.True(t, option.IsNone(ran))
		second := contend(t, b, key, mutex.Config{TTL: long, HolderID: "job-12"})
		second.waits(t)
		third := contend(t, b, key, mutex.Config{TTL: long, HolderID: "job"})
		third.waits(t)
		assert.Zero(t, second.seen(mutex.Acquired)+third.seen(mutex.Acquired))
		first.letsGo(t)
		second.enters(t, patience)
		assert.Zero(t, third.seen(mutex.Acquired))
		second.letsGo(t)
		third.enters(t, patience)
		third.letsGo(t)
		assert.Less(t, first.token, second.token)
		assert.Less(t, second.token, third.token)
	})
}
