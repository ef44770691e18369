package redis

import (
	"context"
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
	me        = claimant{"k", "h"}
	errNoOne  = errors.New("no reply")
	queuedAsM = place{"m", func() {}}
)

// countingLedger returns a ledger, and the number of its claimants that can be woken.
func countingLedger() (*ledger, *int) {
	waiting := 0
	return newLedger(func(delta int) { waiting += delta }), &waiting
}

// The possible outcomes of a request by "me".
func asks(l *ledger) request       { return l.begin(me, place{}) }
func asksToWait(l *ledger) request { return l.begin(me, queuedAsM) }
func answered(l *ledger)           { l.end(asks(l), place{}, false) }
func answeredTwice(l *ledger)      { l.end(asks(l), place{}, true) }
func unanswered(l *ledger)         { r := asks(l); l.end(r, r.asked, true) }
func failed(l *ledger)             { r := asks(l); l.end(r, r.asked, false) }
func unsent(l *ledger)             { r := asks(l); l.end(r, r.before, false) }
func waits(l *ledger)              { r := asksToWait(l); l.end(r, r.asked, false) }
func waitsUnanswered(l *ledger)    { r := asksToWait(l); l.end(r, r.asked, true) }
func waitsUnsent(l *ledger)        { r := asksToWait(l); l.end(r, r.before, false) }
func waitsAndHasIt(l *ledger)      { l.end(asksToWait(l), place{}, false) }
func leaves(l *ledger)             { l.leave(me) }
func releases(l *ledger)           { l.leave(me); l.released(me) }
func isPassed(meanwhile func(*ledger), queued bool) func(*ledger) {
	return func(l *ledger) {
		r := asksToWait(l)
		meanwhile(l)
		if queued {
			l.end(r, r.asked, false)
		} else {
			l.end(r, r.before, false)
		}
	}
}
func nothing(*ledger) {}

func knows(l *ledger) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.entries[me] != nil
}

func TestEntryLastsAsLongAsTheServerMayKnowMoreThanItHasAnswered(t *testing.T) {
	t.Parallel()
	type events = []func(*ledger)
	for name, tt := range map[string]struct {
		happens events
		member  string
		inDoubt bool
		waiting int
	}{
		"answered":                        {events{answered}, "", false, 0},
		"answered, with a copy under way": {events{answeredTwice}, "", true, 0},
		"no reply":                        {events{unanswered}, "", true, 0},
		"refused by the server":           {events{failed}, "", false, 0},
		"not sent":                        {events{unsent}, "", false, 0},
		"no reply, and answered":          {events{unanswered, answered}, "", true, 0},
		"no reply, and then not sent":     {events{unanswered, unsent}, "", true, 0},
		"queued":                          {events{waits}, "m", false, 1},
		"queued twice":                    {events{waits, waits}, "m", false, 1},
		"queued, and a request fails":     {events{waits, failed}, "m", false, 1},
		"queued, and the next request is not sent":    {events{waits, waitsUnsent}, "m", false, 1},
		"to be queued, and not sent":                  {events{waitsUnsent}, "", false, 0},
		"left, to be queued again, and not sent":      {events{waits, leaves, waitsUnsent}, "m", false, 0},
		"no reply, to be queued, and not sent":        {events{unanswered, waitsUnsent}, "", true, 0},
		"queued, and no reply":                        {events{waitsUnanswered}, "m", true, 1},
		"queued, and granted":                         {events{waits, waitsAndHasIt}, "", false, 0},
		"queued, no reply, and granted":               {events{waitsUnanswered, answered}, "", true, 0},
		"queued, and leaving":                         {events{waits, leaves}, "m", false, 0},
		"queued, and released":                        {events{waits, releases}, "", false, 0},
		"leaving, and not sent":                       {events{waits, leaves, unsent}, "m", false, 0},
		"never asked, and released":                   {events{releases}, "", false, 0},
		"never asked, and leaving":                    {events{leaves}, "", false, 0},
		"passed, and not queued":                      {events{isPassed(nothing, false)}, "", false, 0},
		"waits, passed, and not queued":               {events{waits, isPassed(nothing, false)}, "m", false, 1},
		"passed, and queued":                          {events{isPassed(nothing, true)}, "m", false, 1},
		"passed, released meanwhile, and queued":      {events{isPassed(releases, true)}, "m", false, 0},
		"passed, left meanwhile, and queued":          {events{waits, isPassed(leaves, true)}, "m", false, 0},
		"waits, passed, left meanwhile, not queued":   {events{waits, isPassed(leaves, false)}, "m", false, 0},
		"passed, released meanwhile, not queued":      {events{isPassed(releases, false)}, "", false, 0},
		"another holder of the key, and no reply":     {events{func(l *ledger) { l.end(request{who: claimant{"k", "other"}}, place{}, true) }}, "", false, 0},
		"the holder of another key, and no reply":     {events{func(l *ledger) { l.end(request{who: claimant{"other", "h"}}, place{}, true) }}, "", false, 0},
		"no reply, left, and to be queued, unsent":    {events{waitsUnanswered, leaves, waitsUnsent}, "m", true, 0},
		"queued, asked without a channel, still so":   {events{waits, unsent}, "m", false, 1},
		"queued, asked without a channel, has it now": {events{waits, answered}, "", false, 0},
	} {
		l, waiting := countingLedger()
		for _, happens := range tt.happens {
			happens(l)
		}
		assert.Equal(t, tt.waiting, *waiting, name)
		assert.Equal(t, tt.member != "" || tt.inDoubt, l.entries[me] != nil, name)
		r := asks(l)
		assert.Equal(t, tt.member, r.asked.member, name)
		assert.Equal(t, tt.inDoubt, r.inDoubt, name)
		member, inDoubt := l.leave(me)
		assert.Equal(t, tt.member, member, name)
		assert.Equal(t, tt.inDoubt, inDoubt, name)
		l.released(me)
		assert.Zero(t, *waiting, name)
		assert.NotContains(t, l.entries, me, name)
	}
}

// The network delivers nothing later, and no release need follow.
func TestClaimantThatDoesNotWaitIsForgottenAMinuteAfterItsLastRequest(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		happens func(*ledger)
		kept    bool
	}{
		"no reply":                        {unanswered, false},
		"answered, with a copy under way": {answeredTwice, false},
		"no reply, and it waits":          {func(l *ledger) { unanswered(l); waits(l) }, true},
		"queued after it had released":    {isPassed(releases, true), false},
	} {
		synctest.Test(t, func(t *testing.T) {
			l, _ := countingLedger()
			tt.happens(l)
			time.Sleep(undoFor - time.Nanosecond)
			assert.True(t, knows(l), name)
			time.Sleep(time.Nanosecond)
			synctest.Wait()
			assert.Equal(t, tt.kept, knows(l), name)
		})
	}
}

func TestOnlyClaimantsThatWaitAreWoken(t *testing.T) {
	t.Parallel()
	b := New(unconnected(t), WithoutPush())
	woken := 0
	b.ledger.end(request{who: claimant{"k", "in doubt"}}, place{}, true)
	b.ledger.begin(me, place{"m", func() {
		woken++
		asks(b.ledger) // like a message that overtakes the reply
	}})
	for _, foreign := range []string{"", " ", "hello", "8", "x dmutex:kh", "-1 dmutex:kh", "99 dmutex:kh", "8 dmutex:ki", "7 dmutex:kh", "8 dmutexxkh", "8  dmutex:kh", "17 dmutex:kin doubt", "8 dmutex:kin doubt", "1 kh"} {
		b.onMessage(foreign)
		assert.Zero(t, woken, "%q", foreign)
	}
	b.onMessage("8 dmutex:kh")
	assert.Equal(t, 1, woken)
	b.ledger.wakeAll()
	assert.Equal(t, 2, woken)
	b.ledger.leave(me)
	b.onMessage("8 dmutex:kh")
	b.ledger.wakeAll()
	assert.Equal(t, 2, woken)
}

func TestReleaseIsRepeatedUntilItIsAnsweredButForAMinuteAtMost(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	for name, tt := range map[string]struct {
		answers []error // of the first attempts; the others have none
		after   []time.Duration
	}{
		"no answer":            {nil, []time.Duration{500 * ms, 1500 * ms, 3500 * ms, 7500 * ms, 15500 * ms, 31500 * ms, undoFor}},
		"an answer":            {[]error{errNoOne, errNoOne, nil}, []time.Duration{500 * ms, 1500 * ms, 3500 * ms}},
		"the client is closed": {[]error{goredis.ErrClosed}, []time.Duration{500 * ms}},
	} {
		synctest.Test(t, func(t *testing.T) {
			l, waiting := countingLedger()
			waitsUnanswered(l)
			leaves(l)
			began := time.Now()
			var after []time.Duration
			l.undo(me, func(_ context.Context, member string) error {
				assert.Equal(t, "m", member, "it may be in the queue")
				if after = append(after, time.Since(began)); len(after) > len(tt.answers) {
					return errNoOne
				}
				return tt.answers[len(after)-1]
			})
			time.Sleep(5 * time.Minute)
			synctest.Wait()
			assert.Equal(t, tt.after, after, name)
			assert.Empty(t, l.entries, name)
			assert.Zero(t, *waiting, name)
		})
	}
}

func TestClaimantThatComesBackIsNotUndone(t *testing.T) {
	t.Parallel()
	for name, comes := range map[string]func(*ledger){
		"to ask":                     func(l *ledger) { asks(l) },
		"to ask, and is granted":     answered,
		"to wait":                    waits,
		"and releases":               releases,
		"and the ledger is closed":   (*ledger).close,
		"when the release was to go": func(l *ledger) { l.mu.Lock(); time.Sleep(firstUndo); l.entries[me].undo = nil; l.mu.Unlock() },
	} {
		synctest.Test(t, func(t *testing.T) {
			l, _ := countingLedger()
			unanswered(l)
			l.undo(me, func(context.Context, string) error { assert.Fail(t, "undone", name); return nil })
			comes(l)
			time.Sleep(undoFor - time.Second)
			synctest.Wait()
			assert.Equal(t, name != "and releases", knows(l), name)
		})
	}
}

// Nor is it forgotten when the release under way is answered.
func TestClaimantThatComesBackDuringTheReleaseIsKept(t *testing.T) {
	t.Parallel()
	for _, answer := range []error{nil, errNoOne} {
		synctest.Test(t, func(t *testing.T) {
			l, _ := countingLedger()
			unanswered(l)
			releases := 0
			l.undo(me, func(context.Context, string) error { releases++; waits(l); return answer })
			time.Sleep(5 * time.Minute)
			synctest.Wait()
			assert.Equal(t, 1, releases)
			assert.Equal(t, "m", asks(l).asked.member)
		})
	}
}

func TestReleaseThatFailsForWantOfAServerIsRepeatedOnlyIfItMatters(t *testing.T) {
	t.Parallel()
	b := New(unconnected(t), WithoutPush())
	for _, c := range []struct {
		happens func(*ledger)
		matters bool
	}{{nothing, false}, {unanswered, true}, {waits, true}} {
		c.happens(b.ledger)
		_, err := b.ReleaseClaim(t.Context(), backing.Claim{Key: me.key, Holder: me.holder})
		require.Error(t, err)
		e := b.ledger.entries[me]
		assert.Equal(t, c.matters, e != nil && e.undo != nil)
		b.ledger.released(me)
	}
}

// unconnected is a client of no server.
func unconnected(t *testing.T) *goredis.Client {
	t.Helper()
	c := goredis.NewClient(&goredis.Options{Addr: "127.0.0.1:1", MaxRetries: -1, DialerRetries: 1})
	t.Cleanup(func() { _ = c.Close() })
	return c
}
