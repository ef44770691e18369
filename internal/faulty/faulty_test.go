package faulty_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/IBM/fp-go/v2/option"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/internal/faulty"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errFault = errors.New("injected")

func claim(holder string) backing.Claim {
	return backing.Claim{Key: "k", Holder: holder, TTL: time.Minute}
}

func TestARequestMeetsItsFault(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault   faulty.Fault
		leaves  time.Duration // when the sender leaves; 0: never
		takes   time.Duration
		granted bool
		err     error
		applied bool
	}{
		"none":                             {granted: true, applied: true},
		"slow both ways":                   {fault: faulty.Fault{There: time.Second, Back: time.Second}, takes: 2 * time.Second, granted: true, applied: true},
		"fails before":                     {fault: faulty.Fault{Drop: true, Err: errFault}, err: errFault},
		"fails after":                      {fault: faulty.Fault{Err: errFault}, err: errFault, applied: true},
		"never arrives":                    {fault: faulty.Fault{There: time.Minute}, leaves: time.Second, takes: time.Second, err: context.DeadlineExceeded},
		"answered when its sender left":    {fault: faulty.Fault{Back: time.Minute}, leaves: time.Second, takes: time.Second, err: context.DeadlineExceeded, applied: true},
		"lands late":                       {fault: faulty.Fault{There: 2 * time.Second, Late: true}, leaves: time.Second, takes: time.Second, err: context.DeadlineExceeded, applied: true},
		"lands late, and its sender waits": {fault: faulty.Fault{There: time.Second, Late: true}, takes: time.Second, granted: true, applied: true},
		"hangs":                            {fault: faulty.Fault{Hang: true}, leaves: time.Second, takes: time.Second, err: context.DeadlineExceeded, applied: true},
		"a lie":                            {fault: faulty.Fault{Drop: true, Answer: option.Some(backing.Grant{Token: 7})}, granted: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := faulty.New(faulty.NewMemory(), faulty.Five)
				s.Set(faulty.Nth(faulty.TryAcquire, 1, c.fault))
				ctx, cancel := t.Context(), func() {}
				if c.leaves > 0 {
					ctx, cancel = context.WithTimeout(ctx, c.leaves)
				}
				defer cancel()
				began := time.Now()
				grant, err := s.TryAcquire(ctx, claim("a"))
				assert.Equal(t, c.takes, time.Since(began))
				require.ErrorIs(t, err, c.err)
				assert.Equal(t, c.granted, option.IsSome(grant))
				time.Sleep(time.Minute / 2)
				synctest.Wait()
				locked, err := s.IsLocked(t.Context(), "k")
				require.NoError(t, err)
				assert.Equal(t, c.applied, locked)
				assert.Equal(t, 1, s.Count(faulty.TryAcquire))
				assert.Equal(t, 2, s.Count())
			})
		})
	}
}

func TestWakeUpsArriveAsPlanned(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		plan        func(holder string) faulty.Waking
		want, other []time.Duration
	}{
		"without a plan": {want: []time.Duration{0}},
		"never":          {plan: func(string) faulty.Waking { return faulty.Waking{} }},
		"late and twice": {
			plan: func(string) faulty.Waking { return faulty.Waking{After: []time.Duration{time.Second, time.Minute}} },
			want: []time.Duration{time.Second, time.Minute},
		},
		"another instead": {
			plan:  func(string) faulty.Waking { return faulty.Waking{Stray: []time.Duration{time.Second}} },
			other: []time.Duration{time.Second},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := faulty.New(faulty.NewMemory(), faulty.All)
				s.SetWaking(c.plan)
				var mu sync.Mutex
				var began time.Time
				var woken, other []time.Duration
				note := func(to *[]time.Duration) func() {
					return func() {
						mu.Lock()
						defer mu.Unlock()
						*to = append(*to, time.Since(began))
					}
				}
				_, err := s.TryAcquire(t.Context(), claim("holder"))
				require.NoError(t, err)
				_, err = s.Enqueue(t.Context(), backing.Waiter{Claim: claim("a"), Wake: note(&woken)})
				require.NoError(t, err)
				_, err = s.Enqueue(t.Context(), backing.Waiter{Claim: claim("b"), Wake: note(&other)})
				require.NoError(t, err)
				began = time.Now()
				_, err = s.Release(t.Context(), "k", "holder")
				require.NoError(t, err)
				time.Sleep(time.Hour)
				synctest.Wait()
				assert.Equal(t, c.want, woken)
				assert.Equal(t, c.other, other)
			})
		})
	}
}

func TestAKeyIsReservedForAWhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := faulty.NewMemory()
		m.Reserve = 2 * time.Second
		s := faulty.New(m, faulty.All)
		_, err := s.TryAcquire(t.Context(), claim("holder"))
		require.NoError(t, err)
		outcome, err := s.Enqueue(t.Context(), backing.Waiter{Claim: claim("dead"), Wake: func() {}})
		require.NoError(t, err)
		assert.Equal(t, backing.Queued{AskAgain: 1500 * time.Millisecond}, outcome)
		_, err = s.Release(t.Context(), "k", "holder")
		require.NoError(t, err)
		for _, locked := range []bool{true, false} {
			is, err := s.IsLocked(t.Context(), "k")
			require.NoError(t, err)
			assert.Equal(t, locked, is)
			time.Sleep(2 * time.Second)
		}
	})
}

func TestEachRequestIsTracedAndTheDataCanBeLost(t *testing.T) {
	t.Parallel()
	s := faulty.New(faulty.NewMemory(), faulty.All)
	var traced []faulty.Op
	s.Trace(func(r faulty.Request, _ any, _ error) { traced = append(traced, r.Op) })
	_, err := s.TryAcquire(t.Context(), claim("a"))
	require.NoError(t, err)
	yielded, err := s.Pass(t.Context(), claim("a"), backing.Waiter{Claim: claim("b"), Wake: func() {}}, false)
	require.NoError(t, err)
	require.IsType(t, backing.Granted{}, yielded)
	s.Memory().LoseData()
	for _, refreshed := range s.RefreshAll(t.Context(), []backing.Claim{claim("b")}) {
		assert.Equal(t, backing.Refreshed{}, refreshed)
	}
	s.Set(faulty.Every(faulty.RefreshAll, faulty.Fault{Err: errFault}))
	assert.Equal(t, []backing.Refreshed{{Err: errFault}}, s.RefreshAll(t.Context(), []backing.Claim{claim("b")}))
	released, err := s.ReleaseClaim(t.Context(), claim("b"))
	require.NoError(t, err)
	assert.Equal(t, backing.NotHeld, released)
	held, err := s.Refresh(t.Context(), claim("b"))
	require.NoError(t, err)
	assert.False(t, held)
	assert.Equal(t, []faulty.Op{faulty.TryAcquire, faulty.Pass, faulty.RefreshAll, faulty.RefreshAll, faulty.Release, faulty.Refresh}, traced)
}
