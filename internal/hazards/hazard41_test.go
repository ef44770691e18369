package hazards_test

import (
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
		assert.Equal(t, one.token, same.token, "one grant")
		other := contend(t, b, key, mutex.Config{TTL: long, HolderID: "job-8"})
		other.waits(t)
		assert.Zero(t, other.seen(mutex.Acquired))

		one.letsGo(t)
		other.enters(t, patience)
		assert.Greater(t, other.token, one.token)
		var lost *mutex.LockLostError
		require.ErrorAs(t, same.gone(t, patience), &lost)
		assert.Equal(t, mutex.Taken, lost.Reason)
		assert.Equal(t, one.token, lost.Token)
		assert.Zero(t, other.seen(mutex.Lost), "the loser took the next one's lock with it")
		other.letsGo(t)
	})
}

// The same in the store, for each operation.
func TestHazard41_OneIDIsOneHolderToEveryOperation(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, b ableStore) {
		ctx := t.Context()
		claim := backing.Claim{Key: key, Holder: "job-7", TTL: long}
		waiter := backing.Waiter{Claim: claim, Granted: func(backing.Handed) { panic("told of what it has") }, Retry: func() {}}
		first, err := b.TryAcquire(ctx, claim)
		require.NoError(t, err)
		require.True(t, option.IsSome(first))

		again, err := b.TryAcquire(ctx, claim)
		require.NoError(t, err)
		assert.Equal(t, first, again)
		standing, err := b.Enqueue(ctx, waiter)
		require.NoError(t, err)
		assert.Equal(t, first, standing.Grant)
		_, err = b.Enqueue(ctx, backing.Waiter{Claim: backing.Claim{Key: key, Holder: "left", TTL: long}, Granted: func(backing.Handed) { panic("has left") }, Retry: func() {}})
		require.NoError(t, err)
		standing, err = b.Enqueue(ctx, waiter)
		require.NoError(t, err)
		assert.Equal(t, first, standing.Grant, "though another waits")
		_, err = b.Release(ctx, key, "left")
		require.NoError(t, err)
		had, standing, err := b.Pass(ctx, "job-7", waiter, false)
		require.NoError(t, err)
		assert.True(t, had)
		assert.Equal(t, first, standing.Grant, "passed on to itself")
		held, err := b.Refresh(ctx, claim)
		require.NoError(t, err)
		assert.True(t, held)
		for range 2 { // by the one and by the other
			released, err := b.Release(ctx, key, "job-7")
			require.NoError(t, err)
			assert.True(t, released)
		}
		held, err = b.Refresh(ctx, claim)
		require.NoError(t, err)
		assert.False(t, held, "the release of one releases all")
		locked, err := b.IsLocked(ctx, key)
		require.NoError(t, err)
		assert.False(t, locked)

		next, err := b.TryAcquire(ctx, claim)
		require.NoError(t, err)
		a, _ := option.Unwrap(first)
		z, _ := option.Unwrap(next)
		assert.Greater(t, z.Token, a.Token, "a new grant")
	})
}
