package memory_test

import (
	"context"
	"fmt"
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

func TestReleaseTellsTheNextBeforeItReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memory.New()
		before := acquire(t, m, "k", "a", time.Hour)
		b, told := waiter("k", "b", time.Minute)
		enqueue(t, m, b)
		time.Sleep(time.Second)
		require.True(t, release(t, m, "k", "a"))
		assert.Equal(t, option.Some("b"), holder(t, m, "k"))
		require.Len(t, *told, 1)
		h := (*told)[0]
		assert.Greater(t, h.Token, before)
		assert.Zero(t, time.Since(h.Start), "the lease began now")
		assert.Equal(t, time.Minute, h.Lease, "the TTL in full")
		time.Sleep(time.Minute - 1)
		assert.Equal(t, option.Some("b"), holder(t, m, "k"))
		time.Sleep(time.Nanosecond)
		assert.Equal(t, option.None[string](), holder(t, m, "k"))
	})
}

func TestStartFollowsTheMonotonicClock(t *testing.T) {
	t.Parallel()
	m := memory.New()
	before := time.Now()
	acquire(t, m, "k", "a", time.Hour)
	b, told := waiter("k", "b", time.Minute)
	enqueue(t, m, b)
	release(t, m, "k", "a")
	start := (*told)[0].Start
	assert.NotEqual(t, start, start.Round(0), "Round strips the monotonic reading")
	assert.False(t, start.Before(before))
	assert.False(t, start.After(time.Now()))
}

func TestAskAgainIsWhatIsLeftOfTheLease(t *testing.T) {
	for _, c := range []struct {
		name            string
		lease, gone, in time.Duration // of the holder, of that, the waiter's TTL
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
				assert.Equal(t, backing.Standing{AskAgain: c.want}, enqueue(t, m, b))
			})
		})
	}
}

func TestOneWhoAsksWhenAskAgainHasPassedHasAKeyThatNobodyReleased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memory.New()
		acquire(t, m, "k", "a", time.Minute)
		b, told := waiter("k", "b", time.Minute)
		time.Sleep(enqueue(t, m, b).AskAgain)
		assert.True(t, option.IsSome(enqueue(t, m, b).Grant))
		assert.Empty(t, *told, "the answer said it")
	})
}

func TestOneWhoAsksAgainIsToldInTheWayItAskedForLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memory.New()
		acquire(t, m, "k", "a", time.Hour)
		first, toldFirst := waiter("k", "b", time.Minute)
		last, toldLast := waiter("k", "b", time.Second)
		enqueue(t, m, first)
		enqueue(t, m, last)
		release(t, m, "k", "a")
		assert.Empty(t, *toldFirst)
		require.Len(t, *toldLast, 1)
		assert.Equal(t, time.Second, (*toldLast)[0].Lease)
	})
}

func TestGrantedMayUseTheBacking(t *testing.T) {
	t.Parallel()
	m := memory.New()
	acquire(t, m, "k", "a", time.Hour)
	var order []string
	for _, name := range []string{"b", "c", "d"} {
		enqueue(t, m, backing.Waiter{
			Claim: backing.Claim{Key: "k", Holder: name, TTL: time.Hour},
			Granted: func(backing.Handed) {
				order = append(order, name)
				assert.True(t, release(t, m, "k", name))
			},
		})
	}
	release(t, m, "k", "a")
	assert.Equal(t, []string{"b", "c", "d"}, order)
	assert.Equal(t, option.None[string](), holder(t, m, "k"))
}

// Otherwise its own release would give it the key that it has just released.
func TestAWaiterThatHelpsItselfWaitsNoLonger(t *testing.T) {
	for name, takes := range map[string]func(*testing.T, *memory.Backing){
		"TryAcquire": func(t *testing.T, m *memory.Backing) {
			time.Sleep(time.Minute)
			acquire(t, m, "k", "b", time.Hour)
		},
		"Pass": func(t *testing.T, m *memory.Backing) {
			b, _ := waiter("k", "b", time.Hour)
			ok, s := pass(t, m, "a", b, false)
			require.True(t, ok && option.IsSome(s.Grant))
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := memory.New()
				acquire(t, m, "k", "a", time.Minute)
				b, told := waiter("k", "b", time.Hour)
				enqueue(t, m, b)
				takes(t, m)
				require.True(t, release(t, m, "k", "b"))
				assert.Equal(t, option.None[string](), holder(t, m, "k"))
				assert.Empty(t, *told)
			})
		})
	}
}

func TestAnEndedContextIsReportedByTheAbilitiesToo(t *testing.T) {
	t.Parallel()
	m := memory.New()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w, _ := waiter("k", "a", time.Second)
	_, err := m.Enqueue(ctx, w)
	assert.Equal(t, context.Canceled, err)
	_, _, err = m.Pass(ctx, "b", w, true)
	assert.Equal(t, context.Canceled, err)
	assert.Equal(t, []backing.Refreshed{{Err: context.Canceled}}, m.RefreshAll(ctx, []backing.Claim{w.Claim}))
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
		enqueue(t, m, backing.Waiter{Claim: c, Granted: func(backing.Handed) {
			go func() {
				defer all.Done()
				order = append(order, i) // who has the lock
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

func TestAskingForAKeyThatIsFreeAllocatesNothing(t *testing.T) {
	ctx, m := t.Context(), memory.New()
	a, _ := waiter("k", "a", time.Minute)
	b, _ := waiter("k", "b", time.Minute)
	assert.Zero(t, testing.AllocsPerRun(1000, func() {
		_, _ = m.Enqueue(ctx, a)
		_, _, _ = m.Pass(ctx, "a", b, true)
		_, _ = m.Release(ctx, "k", "b")
	}))
}

// waiter returns a claimant and what it has been told.
func waiter(key, holder string, ttl time.Duration) (backing.Waiter, *[]backing.Handed) {
	told := new([]backing.Handed)
	return backing.Waiter{
		Claim:   backing.Claim{Key: key, Holder: holder, TTL: ttl},
		Granted: func(h backing.Handed) { *told = append(*told, h) },
	}, told
}

func enqueue(t *testing.T, m *memory.Backing, w backing.Waiter) backing.Standing {
	t.Helper()
	s, err := m.Enqueue(t.Context(), w)
	require.NoError(t, err)
	return s
}

func ExampleBacking_Enqueue() {
	ctx, store := context.Background(), memory.New()
	claim := func(holder string) backing.Claim {
		return backing.Claim{Key: "printer", Holder: holder, TTL: 30 * time.Second}
	}

	_, _ = store.TryAcquire(ctx, claim("ann"))
	bob, _ := store.Enqueue(ctx, backing.Waiter{
		Claim:   claim("bob"),
		Granted: func(h backing.Handed) { fmt.Println("bob has the printer for", h.Lease) },
	})
	fmt.Println("bob has it at once:", option.IsSome(bob.Grant))
	_, _ = store.Release(ctx, "printer", "ann")
	// Output:
	// bob has it at once: false
	// bob has the printer for 30s
}
