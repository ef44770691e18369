package redis

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
)

var (
	me       = claimant{"k", "h"}
	errNoOne = errors.New("no reply")
)

// countingLedger returns a ledger, and how many claimants of it can be woken.
func countingLedger() (*ledger, *int) {
	waiting := 0
	return newLedger(func(delta int) { waiting += delta }), &waiting
}

func TestEntryLastsAsLongAsTheServerMayKnowMoreThanItHasAnswered(t *testing.T) {
	t.Parallel()
	nothing := func() {}
	for name, tt := range map[string]struct {
		happens func(l *ledger)
		member  string
		inDoubt bool
		kept    bool
		waiting int
	}{
		"answered":                             {func(l *ledger) { l.settled(me, false, false) }, "", false, false, 0},
		"answered, with a copy under way":      {func(l *ledger) { l.settled(me, false, true) }, "", true, true, 0},
		"no reply":                             {func(l *ledger) { l.failed(me, true) }, "", true, true, 0},
		"not sent":                             {func(l *ledger) { l.failed(me, false) }, "", false, false, 0},
		"no reply, and answered":               {func(l *ledger) { l.failed(me, true); l.settled(me, false, false) }, "", true, true, 0},
		"no reply, and then not sent":          {func(l *ledger) { l.failed(me, true); l.failed(me, false) }, "", true, true, 0},
		"queued":                               {func(l *ledger) { l.queues(me, "m", nothing); l.settled(me, true, false) }, "m", false, true, 1},
		"queued twice":                         {func(l *ledger) { l.queues(me, "m", nothing); l.queues(me, "m", nothing) }, "m", false, true, 1},
		"queued, and not sent":                 {func(l *ledger) { l.queues(me, "m", nothing); l.failed(me, false) }, "m", false, true, 1},
		"queued, and unsent":                   {func(l *ledger) { l.queues(me, "m", nothing); l.unsent(me, "") }, "", false, false, 0},
		"in a queue still, and unsent":         {func(l *ledger) { l.queues(me, "m", nothing); l.unsent(me, "before") }, "before", false, true, 0},
		"no reply, queued, and unsent":         {func(l *ledger) { l.failed(me, true); l.queues(me, "m", nothing); l.unsent(me, "") }, "", true, true, 0},
		"queued, and no reply":                 {func(l *ledger) { l.queues(me, "m", nothing); l.failed(me, true) }, "m", true, true, 1},
		"queued, and granted":                  {func(l *ledger) { l.queues(me, "m", nothing); l.settled(me, false, false) }, "", false, false, 0},
		"queued, no reply, and granted":        {func(l *ledger) { l.queues(me, "m", nothing); l.failed(me, true); l.settled(me, false, false) }, "", true, true, 0},
		"queued, and leaving":                  {func(l *ledger) { l.queues(me, "m", nothing); l.leaves(me) }, "m", false, true, 0},
		"queued, and gone":                     {func(l *ledger) { l.queues(me, "m", nothing); l.gone(me) }, "", false, false, 0},
		"leaving, and not sent":                {func(l *ledger) { l.queues(me, "m", nothing); l.leaves(me); l.failed(me, false) }, "", false, false, 0},
		"never asked, and gone":                {func(l *ledger) { l.gone(me) }, "", false, false, 0},
		"never asked, and leaving":             {func(l *ledger) { l.leaves(me) }, "", false, false, 0},
		"another of the same key is in doubt":  {func(l *ledger) { l.failed(claimant{"k", "other"}, true) }, "", false, false, 0},
		"the same holder of another key is so": {func(l *ledger) { l.failed(claimant{"other", "h"}, true) }, "", false, false, 0},
	} {
		l, waiting := countingLedger()
		tt.happens(l)
		assert.Equal(t, tt.waiting, *waiting, name)
		assert.Equal(t, tt.kept, l.entries[me] != nil, name)
		assert.Equal(t, tt.member, l.asks(me), name)
		member, inDoubt := l.leaves(me)
		assert.Equal(t, tt.member, member, name)
		assert.Equal(t, tt.inDoubt, inDoubt, name)
		l.gone(me)
		assert.Zero(t, *waiting, name)
		assert.NotContains(t, l.entries, me, name)
	}
}

func TestOnlyClaimantsThatWaitAreWoken(t *testing.T) {
	t.Parallel()
	b := New(unconnected(t), WithoutPush())
	woken := 0
	b.ledger.failed(claimant{"k", "in doubt"}, true)
	b.ledger.queues(me, "m", func() { woken++ })
	for _, foreign := range []string{"", " ", "hello", "8", "x dmutex:kh", "-1 dmutex:kh", "99 dmutex:kh", "8 dmutex:ki", "7 dmutex:kh", "8 dmutexxkh", "8  dmutex:kh", "17 dmutex:kin doubt", "8 dmutex:kin doubt"} {
		b.onMessage(foreign)
		assert.Zero(t, woken, "%q", foreign)
	}
	b.onMessage("8 dmutex:kh")
	assert.Equal(t, 1, woken)
	b.ledger.wakeAll()
	assert.Equal(t, 2, woken)
	b.ledger.leaves(me)
	b.onMessage("8 dmutex:kh")
	b.ledger.wakeAll()
	assert.Equal(t, 2, woken)
}

// A wake-up that overtakes the reply finds the claimant, and may use the ledger.
func TestClaimantMayAskWhileItIsWoken(t *testing.T) {
	t.Parallel()
	l, _ := countingLedger()
	l.queues(me, "m", func() { l.asks(me) })
	l.woken(me)
	l.wakeAll()
}

// A claimant asks twice without a reply, and its release gets none. Either request may be
// applied until a minute after it was sent.
func TestReleaseOfAClaimantInDoubtIsRepeatedForAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, waiting := countingLedger()
		l.queues(me, "m", func() {})
		l.failed(me, true)
		member, inDoubt := l.leaves(me)
		require.True(t, inDoubt)
		began := time.Now()
		var after []time.Duration
		l.mu.Lock()
		l.undoAfter(me, firstUndo, undoFor, func(as string) error {
			assert.Equal(t, member, as, "it may stand in the queue")
			after = append(after, time.Since(began))
			return errNoOne
		})
		l.mu.Unlock()
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		const ms = time.Millisecond
		assert.Equal(t, []time.Duration{500 * ms, 1500 * ms, 3500 * ms, 7500 * ms, 15500 * ms, 31500 * ms, undoFor}, after)
		assert.Empty(t, l.entries, "and forgotten")
		assert.Zero(t, *waiting)
	})
}

func TestReleaseIsRepeatedUntilItIsAnswered(t *testing.T) {
	t.Parallel()
	for _, answer := range []error{nil, goredis.ErrClosed} {
		synctest.Test(t, func(t *testing.T) {
			l, _ := countingLedger()
			l.failed(me, true)
			tries := 0
			l.mu.Lock()
			l.undoAfter(me, firstUndo, undoFor, func(string) error {
				if tries++; tries < 3 {
					return errNoOne
				}
				return answer
			})
			l.mu.Unlock()
			time.Sleep(5 * time.Minute)
			synctest.Wait()
			assert.Equal(t, 3, tries)
			assert.Empty(t, l.entries)
		})
	}
}

func TestClaimantThatComesBackIsNotUndone(t *testing.T) {
	t.Parallel()
	for name, comes := range map[string]func(l *ledger){
		"to ask":           func(l *ledger) { l.asks(me) },
		"to ask, granted":  func(l *ledger) { l.asks(me); l.settled(me, false, false) },
		"and is gone":      func(l *ledger) { l.gone(me) },
		"and in the queue": func(l *ledger) { l.asks(me); l.queues(me, "m", func() {}); l.settled(me, true, false) },
	} {
		synctest.Test(t, func(t *testing.T) {
			l, _ := countingLedger()
			l.failed(me, true)
			l.mu.Lock()
			l.undoAfter(me, firstUndo, undoFor, func(string) error { assert.Fail(t, "undone", name); return nil })
			l.mu.Unlock()
			comes(l)
			time.Sleep(undoFor - time.Second)
			synctest.Wait()
			assert.Equal(t, name != "and is gone", l.entries[me] != nil, name)
		})
	}
}

// At the very moment at which it would be undone.
func TestClaimantThatComesBackJustInTimeIsNotUndone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, _ := countingLedger()
		l.failed(me, true)
		l.mu.Lock()
		l.undoAfter(me, firstUndo, undoFor, func(string) error { assert.Fail(t, "undone"); return nil })
		time.Sleep(firstUndo) // the timer has fired, and its function waits for the mutex
		l.entries[me].stopUndo()
		l.mu.Unlock()
		synctest.Wait()
		assert.NotNil(t, l.entries[me])
	})
}

// Nor is it forgotten when the release that was under way is answered.
func TestClaimantThatComesBackDuringTheReleaseIsKept(t *testing.T) {
	t.Parallel()
	for _, answer := range []error{nil, errNoOne} {
		synctest.Test(t, func(t *testing.T) {
			l, _ := countingLedger()
			l.failed(me, true)
			tries := 0
			l.mu.Lock()
			l.undoAfter(me, firstUndo, undoFor, func(string) error {
				tries++
				l.asks(me)
				l.queues(me, "m", func() {})
				return answer
			})
			l.mu.Unlock()
			time.Sleep(5 * time.Minute)
			synctest.Wait()
			assert.Equal(t, 1, tries)
			assert.Equal(t, "m", l.asks(me))
		})
	}
}

func TestReleaseThatFailsForWantOfAServerIsRepeatedOnlyIfItMatters(t *testing.T) {
	t.Parallel()
	b := New(unconnected(t), WithoutPush())
	release := func() {
		_, err := b.ReleaseClaim(t.Context(), backing.Claim{Key: me.key, Holder: me.holder})
		require.Error(t, err)
	}
	release()
	assert.Empty(t, b.ledger.entries)
	b.undoLater(backing.Claim{Key: me.key, Holder: me.holder}, firstUndo, undoFor)
	assert.Empty(t, b.ledger.entries, "of a claimant that is unknown there is nothing to undo")
	for _, happens := range []func(){
		func() { b.ledger.failed(me, true) },
		func() { b.ledger.queues(me, "m", func() {}) },
	} {
		happens()
		release()
		require.NotNil(t, b.ledger.entries[me])
		assert.NotNil(t, b.ledger.entries[me].undo)
		b.ledger.gone(me)
	}
}

// unconnected is a client of no server.
func unconnected(t *testing.T) *goredis.Client {
	t.Helper()
	c := goredis.NewClient(&goredis.Options{Addr: "127.0.0.1:1", MaxRetries: -1, DialerRetries: 1})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestKeyThatIsReservedIsNotRememberedAsOneInDoubt(t *testing.T) {
	t.Parallel()
	b := New(unconnected(t))
	_, err := b.TryAcquire(t.Context(), backing.Claim{Key: "{x}~queue", Holder: "h", TTL: time.Second})
	require.Error(t, err)
	assert.Empty(t, b.ledger.entries)
}
