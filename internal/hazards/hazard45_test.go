package hazards_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/IBM/fp-go/v2/option"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/redis"
)

// 10,000 grants, from goroutine to goroutine and from process to process.
func TestHazard45_TokensIncreaseInTheOrderOfTheGrants(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	tokens := s.runCounters(t)
	require.Len(t, tokens, grantsOfCount)
	for i, token := range tokens[1:] {
		require.Greater(t, token, tokens[i], "grant %d", i+1)
	}
	s.assertAllExpire(t)
	s.assertFree(t)
}

// assertAllExpire asserts that no key stays for ever but the last token of all locks,
// and none for longer than a lease, or a minute.
func (s store) assertAllExpire(t *testing.T) {
	t.Helper()
	keys, err := s.direct.Keys(t.Context(), "*").Result()
	require.NoError(t, err)
	assert.Contains(t, keys, fenceKey)
	for _, k := range keys {
		ttl, err := s.direct.PTTL(t.Context(), k).Result()
		require.NoError(t, err)
		if k == fenceKey {
			assert.Equal(t, time.Duration(-1), ttl, "the last token is forgotten some time")
			continue
		}
		assert.NotEqual(t, time.Duration(-1), ttl, "%q is kept for ever", k)
		assert.LessOrEqual(t, ttl, long, "%q", k)
	}
}

// Whatever happens between two grants, and whichever way the lock is granted, the
// later token is higher.
func TestHazard45_TokensIncreaseWhateverHappensBetweenGrants(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	chance := rand.New(rand.NewPCG(seed, 45))
	s := newStore(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	h := &heir{store: s, ctx: ctx, one: s.process(t), other: s.process(t)}
	grants := []func(*testing.T){h.tries, h.joins, h.isPassed, h.isWoken}
	names := []string{"tryAcquire", "enqueue", "pass", "release to the queue"}
	mishaps := []func(*testing.T){
		func(*testing.T) {},
		func(t *testing.T) { require.NoError(t, s.direct.FlushAll(ctx).Err()) },
		func(t *testing.T) { require.NoError(t, s.direct.Del(ctx, fenceKey).Err()) },
		func(t *testing.T) { require.NoError(t, s.direct.Del(ctx, "dmutex:"+key).Err()) },
		func(t *testing.T) { require.NoError(t, s.direct.ScriptFlush(ctx).Err()) },
		func(t *testing.T) { h.expires(t) },
		func(t *testing.T) { h.foreign(t) },
		func(*testing.T) { s.Restart() },
	}
	events := []string{"nothing", "FLUSHALL", "DEL fence", "DEL lock", "SCRIPT FLUSH", "expiry", "foreign holder", "restart"}
	for n := range 200 {
		which, how := chance.IntN(len(mishaps)), chance.IntN(len(grants))
		if events[which] == "restart" && chance.IntN(4) > 0 { // it takes long
			which = 0
		}
		h.said = fmt.Sprintf("grant %d, by %s, after %s (seed %d)", n, names[how], events[which], seed)
		mishaps[which](t)
		grants[how](t)
	}
	s.assertAllExpire(t)
}

// heir gets the lock again and again, under a new id each time.
type heir struct {
	store
	ctx        context.Context // that of one test
	one, other *redis.Backing
	n          int
	holder     string // the last
	token      uint64 // that it got
	said       string // what happens
}

func (h *heir) next() backing.Claim {
	h.n++
	return backing.Claim{Key: key, Holder: fmt.Sprint("h", h.n), TTL: long}
}

func (h *heir) waiter(wake func()) backing.Waiter {
	return backing.Waiter{Claim: h.next(), Wake: wake}
}

// got notes a new grant.
func (h *heir) got(t *testing.T, c backing.Claim, token uint64) {
	t.Helper()
	require.Greater(t, token, h.token, h.said)
	h.holder, h.token = c.Holder, token
}

// retried repeats what fails because a restart broke a connection.
func (h *heir) retried(t *testing.T, do func() error) {
	t.Helper()
	var err error
	eventually(t, func() bool { err = do(); return err == nil }, "it succeeds (%s)", h.said)
}

// frees lets go of the lock, whoever has it.
func (h *heir) frees(t *testing.T) {
	t.Helper()
	h.retried(t, func() error {
		holder, err := h.one.GetHolder(h.ctx, key)
		if id, ok := option.Unwrap(holder); ok && err == nil {
			_, err = h.one.Release(h.ctx, key, id)
		}
		return err
	})
}

func (h *heir) tries(t *testing.T) {
	t.Helper()
	h.frees(t)
	c := h.next()
	var grant option.Option[backing.Grant]
	h.retried(t, func() (err error) { grant, err = h.one.TryAcquire(h.ctx, c); return err })
	g, ok := option.Unwrap(grant)
	require.True(t, ok, h.said)
	h.got(t, c, g.Token)
}

func (h *heir) joins(t *testing.T) {
	t.Helper()
	h.frees(t)
	w := h.waiter(func() {})
	var outcome backing.Outcome
	h.retried(t, func() (err error) { outcome, err = h.other.Enqueue(h.ctx, w); return err })
	require.True(t, isGranted(outcome), h.said)
	h.got(t, w.Claim, outcome.(backing.Granted).Token)
}

// isPassed gets the lock from one who has it.
func (h *heir) isPassed(t *testing.T) {
	t.Helper()
	h.tries(t)
	w := h.waiter(func() {})
	outcome, err := h.one.Pass(h.ctx, backing.Claim{Key: key, Holder: h.holder}, w, false)
	require.NoError(t, err)
	require.True(t, isGranted(outcome), h.said)
	h.got(t, w.Claim, outcome.(backing.Granted).Token)
}

// isWoken gets the lock from one in another process who lets go of it: it is woken,
// and asks.
func (h *heir) isWoken(t *testing.T) {
	t.Helper()
	h.tries(t)
	woken := make(chan struct{}, 1)
	w := h.waiter(func() {
		select {
		case woken <- struct{}{}:
		default: // it is about to ask anyway
		}
	})
	h.retried(t, func() error {
		outcome, err := h.other.Enqueue(h.ctx, w)
		if poll, ok := outcome.(backing.MustPoll); ok {
			return poll.Why
		}
		return err
	})
	released, err := h.one.Release(h.ctx, key, h.holder)
	require.NoError(t, err)
	require.True(t, released)
	for range 10 {
		select {
		case <-woken:
		case <-time.After(bound): // the message was lost with the connection
		}
		outcome, err := h.other.Enqueue(h.ctx, w)
		require.NoError(t, err)
		if isGranted(outcome) {
			h.got(t, w.Claim, outcome.(backing.Granted).Token)
			return
		}
	}
	require.FailNow(t, "is not granted the lock", h.said)
}

func (h *heir) expires(t *testing.T) {
	t.Helper()
	require.NoError(t, h.direct.PExpire(h.ctx, "dmutex:"+key, time.Millisecond).Err())
	eventually(t, func() bool { return h.direct.Exists(h.ctx, "dmutex:"+key).Val() == 0 }, "it expires")
}

func (h *heir) foreign(t *testing.T) {
	t.Helper()
	require.NoError(t, h.direct.Set(h.ctx, "dmutex:"+key, "theirs", long).Err())
	got, err := took(h.one.TryAcquire(h.ctx, backing.Claim{Key: key, Holder: "nobody", TTL: long}))
	require.NoError(t, err)
	require.False(t, got)
}
