package hazards_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/IBM/fp-go/v2/option"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/mutex"
)

// What Config.HolderID says: "All acquisitions under one id are the same holder:
// the lock does not keep them from each other, and the release of one releases all."
// The other learns of that by its next refresh.
func TestHazard41_OneIDIsOneHolderOfWhichEitherLetsGoForBoth(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, b ableStore) {
		config := mutex.Config{TTL: long, RefreshInterval: time.Second, HolderID: "job-7"}
		one := contend(t, b, key, config)
		one.enters(t, patience)
		same := contend(t, b, key, config)
		same.enters(t, patience)
		assert.GreaterOrEqual(t, same.token, one.token, "the later answer counts")
		other := contend(t, b, key, mutex.Config{TTL: long, HolderID: "job-8"})
		other.waits(t)
		assert.Zero(t, other.seen(mutex.Acquired))

		one.letsGo(t)
		other.enters(t, patience)
		assert.Greater(t, other.token, same.token)
		var lost *mutex.LockLostError
		require.ErrorAs(t, same.gone(t, patience), &lost)
		assert.Equal(t, mutex.Taken, lost.Reason)
		assert.Equal(t, same.token, lost.Token)
		assert.Zero(t, other.seen(mutex.Lost), "the loser took the next one's lock with it")
		other.letsGo(t)
	})
}

// The same in the store, for each operation, and for each of the acquisitions.
func TestHazard41_OneIDIsOneHolderToEveryOperation(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, b ableStore) {
		ctx := t.Context()
		acquisition := func(n string) backing.Claim {
			return backing.Claim{Key: key, Holder: "job-7", TTL: long, Attempt: n}
		}
		var woken atomic.Int32
		waits := func(c backing.Claim) backing.Waiter {
			return backing.Waiter{Claim: c, Wake: func() { woken.Add(1) }}
		}
		first, err := b.TryAcquire(ctx, acquisition("1"))
		require.NoError(t, err)
		latest, ok := option.Unwrap(first)
		require.True(t, ok)
		assert.False(t, latest.Resumed)
		// resumes asserts that the lease that there is goes on.
		resumes := func(g backing.Grant) {
			t.Helper()
			assert.True(t, g.Resumed)
			assert.GreaterOrEqual(t, g.Token, latest.Token)
			latest = g
		}

		again, err := b.TryAcquire(ctx, acquisition("2"))
		require.NoError(t, err)
		g, ok := option.Unwrap(again)
		require.True(t, ok)
		resumes(g)
		outcome, err := b.Enqueue(ctx, waits(acquisition("2")))
		require.NoError(t, err)
		require.True(t, isGranted(outcome))
		resumes(outcome.(backing.Granted).Grant)
		outcome, err = b.Enqueue(ctx, waits(backing.Claim{Key: key, Holder: "left", TTL: long}))
		require.NoError(t, err)
		require.IsType(t, backing.Queued{}, outcome)
		outcome, err = b.Enqueue(ctx, waits(acquisition("2")))
		require.NoError(t, err)
		require.True(t, isGranted(outcome), "though another waits")
		resumes(outcome.(backing.Granted).Grant)
		_, err = b.Release(ctx, key, "left")
		require.NoError(t, err)
		outcome, err = b.Pass(ctx, acquisition("1"), waits(acquisition("3")), false)
		require.NoError(t, err)
		require.True(t, isGranted(outcome), "passed on to itself")
		assert.Greater(t, outcome.(backing.Granted).Token, latest.Token, "a new grant")
		latest = outcome.(backing.Granted).Grant
		held, err := b.Refresh(ctx, acquisition("3"))
		require.NoError(t, err)
		assert.True(t, held)
		for range 2 { // by the one and by the other
			released, err := b.Release(ctx, key, "job-7")
			require.NoError(t, err)
			assert.True(t, released)
		}
		held, err = b.Refresh(ctx, acquisition("3"))
		require.NoError(t, err)
		assert.False(t, held, "the release of one releases all")
		locked, err := b.IsLocked(ctx, key)
		require.NoError(t, err)
		assert.False(t, locked)

		next, err := b.TryAcquire(ctx, acquisition("4"))
		require.NoError(t, err)
		z, ok := option.Unwrap(next)
		require.True(t, ok)
		assert.False(t, z.Resumed)
		assert.Greater(t, z.Token, latest.Token, "a new grant")
		assert.Zero(t, woken.Load(), "for what it has, or has left")
	})
}
