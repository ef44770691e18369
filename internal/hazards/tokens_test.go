package hazards_test

import (
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

// Whatever happens between two grants, and however the lock is granted, the later token is higher.
// The test tries all combinations in random order. The arena judges the tokens of contenders that
// take turns.
func TestHazard45_TokensIncreaseWhateverHappensBetweenGrants(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	chance := rand.New(rand.NewPCG(seed, 45))
	s := newStore(t)
	h := &heir{store: s, one: s.process(), other: s.process()}
	grants := map[string]func(){"tryAcquire": h.tries, "enqueue": h.joins, "pass": h.isPassed, "release to the queue": h.isWoken}
	mishaps := map[string]func(){
		"nothing":        func() {},
		"FLUSHALL":       s.Flush,
		"DEL fence":      func() { require.NoError(t, s.direct.Del(t.Context(), fenceKey).Err()) },
		"DEL lock":       func() { s.deletes(s.key) },
		"SCRIPT FLUSH":   func() { require.NoError(t, s.direct.ScriptFlush(t.Context()).Err()) },
		"expiry":         h.expires,
		"foreign holder": h.foreign,
		"restart":        s.Restart,
	}
	type step struct{ mishap, grant string }
	var steps []step
	for range 3 {
		for mishap := range mishaps {
			for grant := range grants {
				steps = append(steps, step{mishap, grant})
			}
		}
	}
	chance.Shuffle(len(steps), func(i, j int) { steps[i], steps[j] = steps[j], steps[i] })
	for n, step := range steps {
		h.said = fmt.Sprintf("grant %d, %+v (seed %d)", n, step, seed)
		mishaps[step.mishap]()
		grants[step.grant]()
	}
	for _, k := range s.keys("*") {
		ttl, err := s.direct.PTTL(t.Context(), k).Result()
		require.NoError(t, err)
		if k == fenceKey {
			assert.Equal(t, time.Duration(-1), ttl, "the last token will be forgotten")
			continue
		}
		assert.NotEqual(t, time.Duration(-1), ttl, "%q is kept forever", k)
		assert.LessOrEqual(t, ttl, long, "%q", k)
	}
}

// heir gets the lock again and again, under a new id each time.
type heir struct {
	store
	one, other *redis.Backing
	n          int
	holder     string // the last holder
	token      uint64 // the last token
	said       string // the current step, for failures
}

func (h *heir) next() backing.Claim {
	h.n++
	return claimOf(h.key, fmt.Sprint("h", h.n))
}

// got records a new grant.
func (h *heir) got(c backing.Claim, token uint64) {
	h.t.Helper()
	require.Greater(h.t, token, h.token, h.said)
	h.holder, h.token = c.Holder, token
}

// gotBy records a grant that is an outcome.
func (h *heir) gotBy(c backing.Claim, outcome backing.Outcome) {
	h.t.Helper()
	require.True(h.t, isGranted(outcome), h.said)
	h.got(c, outcome.(backing.Granted).Token)
}

// retried repeats a call that fails because a restart broke a connection.
func (h *heir) retried(do func() error) {
	h.t.Helper()
	eventually(h.t, func() bool { return do() == nil }, "the call succeeds (%s)", h.said)
}

// frees releases the lock, whoever has it.
func (h *heir) frees() {
	h.t.Helper()
	h.retried(func() error {
		holder, err := h.one.GetHolder(h.t.Context(), h.key)
		if id, ok := option.Unwrap(holder); ok && err == nil {
			_, err = h.one.Release(h.t.Context(), h.key, id)
		}
		return err
	})
}

func (h *heir) tries() {
	h.t.Helper()
	h.frees()
	c := h.next()
	var grant option.Option[backing.Grant]
	h.retried(func() (err error) { grant, err = h.one.TryAcquire(h.t.Context(), c); return err })
	g, ok := option.Unwrap(grant)
	require.True(h.t, ok, h.said)
	h.got(c, g.Token)
}

func (h *heir) joins() {
	h.t.Helper()
	h.frees()
	c := h.next()
	var outcome backing.Outcome
	h.retried(func() (err error) { outcome, err = h.other.Enqueue(h.t.Context(), waiterOf(c)); return err })
	h.gotBy(c, outcome)
}

// isPassed gets the lock from its holder.
func (h *heir) isPassed() {
	h.t.Helper()
	h.tries()
	c := h.next()
	outcome, err := h.one.Pass(h.t.Context(), claimOf(h.key, h.holder), waiterOf(c), false)
	require.NoError(h.t, err)
	h.gotBy(c, outcome)
}

// isWoken gets the lock from a holder in another process that releases it: it is woken, and
// asks.
func (h *heir) isWoken() {
	h.t.Helper()
	h.tries()
	c, woken := h.next(), make(chan struct{}, 1)
	w := backing.Waiter{Claim: c, Wake: func() {
		select {
		case woken <- struct{}{}:
		default: // it is about to ask anyway
		}
	}}
	h.retried(func() error {
		outcome, err := h.other.Enqueue(h.t.Context(), w)
		if poll, ok := outcome.(backing.MustPoll); ok {
			return poll.Why
		}
		return err
	})
	released, err := h.one.Release(h.t.Context(), h.key, h.holder)
	require.NoError(h.t, err)
	require.True(h.t, released)
	var outcome backing.Outcome
	h.retried(func() (err error) {
		select {
		case <-woken:
		case <-time.After(short): // the message was lost with the connection
		}
		if outcome, err = h.other.Enqueue(h.t.Context(), w); err == nil && !isGranted(outcome) {
			err = fmt.Errorf("%T", outcome)
		}
		return err
	})
	h.gotBy(c, outcome)
}

func (h *heir) expires() {
	h.t.Helper()
	require.NoError(h.t, h.direct.PExpire(h.t.Context(), lockKey(h.key), time.Millisecond).Err())
	eventually(h.t, func() bool { return h.holderOf(h.key) == "" }, "it expires")
}

func (h *heir) foreign() {
	h.t.Helper()
	require.NoError(h.t, h.direct.Set(h.t.Context(), lockKey(h.key), "theirs", long).Err())
	got, err := took(h.one.TryAcquire(h.t.Context(), claimOf(h.key, "nobody")))
	require.NoError(h.t, err)
	require.False(h.t, got)
}
