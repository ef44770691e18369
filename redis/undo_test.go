package redis

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/internal/redistest"
)

// A claimant asks twice without an answer, and leaves. Either request may land until
// a minute after it has failed.
func TestEachRequestThatNobodyAnswersIsUndoneForAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var l lateRequests
		var undone []time.Time
		who := claimant{"k", "h"}
		silent := func(member string) {
			l.left(who)
			if l.fellSilent(who, member) {
				l.undoLater(who, firstUndo, func(_ claimant, as string) error {
					assert.Equal(t, "member", as, "it may stand in the queue")
					undone = append(undone, time.Now())
					return errors.New("the server is down")
				})
				return
			}
			l.landed(who)
		}
		silent("member")
		time.Sleep(50 * time.Second)
		silent("")
		l.wanted(who, false)
		second := time.Now()
		time.Sleep(5 * time.Minute)
		synctest.Wait()

		last := second
		for _, at := range undone {
			assert.LessOrEqual(t, at.Sub(last), 32*time.Second)
			last = at
		}
		assert.Len(t, undone, 8, "the seven pauses begin anew with the first that ends")
		assert.GreaterOrEqual(t, last.Sub(second), time.Minute)
		assert.Empty(t, l.under, "and forgotten")
	})
}

func TestWhoWantsTheLockAgainIsLeftAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var l lateRequests
		who := claimant{"k", "h"}
		l.left(who)
		require.True(t, l.fellSilent(who, ""))
		l.undoLater(who, firstUndo, func(claimant, string) error { assert.Fail(t, "undone"); return nil })
		l.wanted(who, false)
		l.wanted(who, true)
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		assert.Empty(t, l.under)
	})
}

// The claimant that a lock is passed to is noted before the server is asked, and
// forgotten if the lock was not the holder's to give.
func TestARefusedPassLeavesNoWaiterBehind(t *testing.T) {
	t.Parallel()
	c := redistest.Start(t).Client(t)
	b := New(c)
	b.hub.idle = 100 * time.Millisecond
	waiter := func(holder string) backing.Waiter {
		return backing.Waiter{Claim: backing.Claim{Key: "k", Holder: holder, TTL: time.Minute}, Granted: func(backing.Handed) {}, Retry: func() {}}
	}
	_, err := b.TryAcquire(t.Context(), waiter("other").Claim)
	require.NoError(t, err)
	s, err := b.Enqueue(t.Context(), waiter("queued"))
	require.NoError(t, err)
	require.Positive(t, s.AskAgain, "so news are heard")
	had, _, err := b.Pass(t.Context(), "not the holder", waiter("next"), true)
	require.NoError(t, err)
	require.False(t, had)
	had, _, err = b.Pass(t.Context(), "not the holder", waiter("queued"), true)
	require.NoError(t, err)
	require.False(t, had)
	assert.Len(t, b.waiters.all, 1, "who is in the queue is not forgotten")
	_, err = b.Release(t.Context(), "k", "queued")
	require.NoError(t, err)
	assert.Empty(t, b.waiters.all)
	assert.Eventually(t, func() bool { return len(c.PubSubChannels(t.Context(), "push:*").Val()) == 0 }, 10*time.Second, time.Millisecond)
}
