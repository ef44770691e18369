package memory_test

import (
	"context"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/IBM/fp-go/v2/option"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/memory"
)

func TestReleaseWakesTheNextBeforeItReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memory.New()
		before := acquire(t, m, "k", "a", time.Hour)
		b, woken := waiter("k", "b", time.Minute)
		enqueue(t, m, b)
		time.Sleep(time.Second)
		require.True(t, release(t, m, "k", "a"))
		assert.Equal(t, 1, *woken)
		assert.Equal(t, option.Some("b"), holder(t, m, "k"))
		time.Sleep(30 * time.Second)
		g, ok := enqueue(t, m, b).(backing.Granted)
		require.True(t, ok)
		assert.Greater(t, g.Token, before)
		assert.True(t, g.Resumed)
		time.Sleep(time.Minute - 1)
		assert.Equal(t, option.Some("b"), holder(t, m, "k"), "the lease runs from the answer")
	})
}

func TestAskAgainIsWhatIsLeftOfTheLease(t *testing.T) {
	for _, c := range []struct {
		name            string
		lease, gone, in time.Duration // the lease of the holder, how much of it has passed, the waiter's TTL
		want            time.Duration
	}{
		{"a new lease", time.Minute, 0, time.Hour, time.Minute},
		{"the rest of a lease", time.Minute, 59 * time.Second, time.Hour, time.Second},
		{"at least a millisecond", time.Minute, time.Minute - 1, time.Hour, time.Millisecond},
		{"at most the own TTL", time.Hour, 0, time.Minute, time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := memory.New()
				acquire(t, m, "k", "a", c.lease)
				time.Sleep(c.gone)
				b, _ := waiter("k", "b", c.in)
				assert.Equal(t, backing.Queued{AskAgain: c.want}, enqueue(t, m, b))
			})
		})
	}
}

func TestOneWhoAsksAgainIsWokenAsItAskedForLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memory.New()
		acquire(t, m, "k", "a", time.Hour)
		first, wokenFirst := waiter("k", "b", time.Minute)
		last, wokenLast := waiter("k", "b", time.Second)
		enqueue(t, m, first)
		enqueue(t, m, last)
		release(t, m, "k", "a")
		assert.Zero(t, *wokenFirst)
		assert.Equal(t, 1, *wokenLast)
		time.Sleep(time.Second - 1)
		assert.Equal(t, option.Some("b"), holder(t, m, "k"), "kept for it for its TTL")
		time.Sleep(time.Nanosecond)
		assert.Equal(t, option.None[string](), holder(t, m, "k"))
	})
}

func TestWakeMayUseTheBacking(t *testing.T) {
	t.Parallel()
	m := memory.New()
	acquire(t, m, "k", "a", time.Hour)
	var order []string
	for _, name := range []string{"b", "c", "d"} {
		enqueue(t, m, backing.Waiter{
			Claim: backing.Claim{Key: "k", Holder: name, TTL: time.Hour},
			Wake: func() {
				order = append(order, name)
				assert.True(t, release(t, m, "k", name))
			},
		})
	}
	release(t, m, "k", "a")
	assert.Equal(t, []string{"b", "c", "d"}, order)
	assert.Equal(t, option.None[string](), holder(t, m, "k"))
}

func TestAnEndedContextIsReportedAsItIs(t *testing.T) {
	t.Parallel()
	m := memory.New()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w, _ := waiter("k", "a", time.Second)
	for name, ask := range map[string]func() error{
		"TryAcquire":   func() error { _, err := m.TryAcquire(ctx, w.Claim); return err },
		"Refresh":      func() error { _, err := m.Refresh(ctx, w.Claim); return err },
		"Release":      func() error { _, err := m.Release(ctx, "k", "a"); return err },
		"IsLocked":     func() error { _, err := m.IsLocked(ctx, "k"); return err },
		"GetHolder":    func() error { _, err := m.GetHolder(ctx, "k"); return err },
		"Enqueue":      func() error { _, err := m.Enqueue(ctx, w); return err },
		"Pass":         func() error { _, err := m.Pass(ctx, backing.Claim{Key: "k", Holder: "b"}, w, true); return err },
		"ReleaseClaim": func() error { _, err := m.ReleaseClaim(ctx, w.Claim); return err },
		"RefreshAll":   func() error { return m.RefreshAll(ctx, []backing.Claim{w.Claim})[0].Err },
	} {
		assert.Equal(t, context.Canceled, ask(), name)
	}
}

func TestThousandsOfWaitersAreServedInTurn(t *testing.T) {
	t.Parallel()
	const waiters = 10_000
	m := memory.New()
	acquire(t, m, "k", "holder", time.Hour)
	var order []int
	var all sync.WaitGroup
	all.Add(waiters)
	for i := range waiters {
		c := backing.Claim{Key: "k", Holder: strconv.Itoa(i), TTL: time.Hour}
		enqueue(t, m, backing.Waiter{Claim: c, Wake: func() {
			go func() {
				defer all.Done()
				order = append(order, i) // in the order of the grants
				_, _ = m.Release(context.Background(), "k", c.Holder)
			}()
		}})
	}
	release(t, m, "k", "holder")
	all.Wait()
	require.Len(t, order, waiters)
	for i, served := range order {
		require.Equal(t, i, served)
	}
}

func TestAskingForAKeyThatIsFreeAllocatesTheOutcomesAlone(t *testing.T) {
	ctx, m := t.Context(), memory.New()
	holders := numbers(2002)
	a, _ := waiter("k", "", time.Minute)
	b, i := a, 0
	assert.LessOrEqual(t, testing.AllocsPerRun(1000, func() {
		a.Holder, b.Holder = holders[i], holders[i+1]
		i += 2
		_, _ = m.Enqueue(ctx, a)
		_, _ = m.Pass(ctx, a.Claim, b, true)
		_, _ = m.Release(ctx, "k", b.Holder)
	}), 2.0)
}

func numbers(n int) (all []string) {
	for i := range n {
		all = append(all, strconv.Itoa(i))
	}
	return all
}

// waiter returns a claimant, and the number of its wake-ups.
func waiter(key, holder string, ttl time.Duration) (backing.Waiter, *int) {
	woken := new(int)
	return backing.Waiter{
		Claim: backing.Claim{Key: key, Holder: holder, TTL: ttl},
		Wake:  func() { *woken++ },
	}, woken
}

func enqueue(t *testing.T, m *memory.Backing, w backing.Waiter) backing.Outcome {
	t.Helper()
	o, err := m.Enqueue(t.Context(), w)
	require.NoError(t, err)
	return o
}
