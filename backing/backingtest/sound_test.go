package backingtest

import (
	"context"
	"flag"
	"math/rand/v2"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/memory"
)

func TestMain(m *testing.M) {
	// In real time, cases wait for leases more than they compute, so more of them fit
	// than there are CPUs. The command line can still decide.
	if err := flag.Set("test.parallel", "16"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

func TestASoundBackingPassesInRealTimeThoughAllCasesShareIt(t *testing.T) {
	t.Parallel()
	shared := memory.New()
	Run(t, func(t *testing.T) backing.Backing { return shared }, TTL(100*time.Millisecond))
}

func TestASoundBackingPassesInVirtualTime(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func() backing.Backing{
		"memory":                     func() backing.Backing { return memory.New() },
		"without a flaw":             func() backing.Backing { return &flawed{} },
		"without fencing":            func() backing.Backing { return fiveOf(&flawed{flaw: "it does not fence"}) },
		"with a new token each time": func() backing.Backing { return fiveOf(&flawed{flaw: "each answer has a new token"}) },
		"its client sees to it that nothing is late": func() backing.Backing { return fiveOf(&flawed{flaw: "late requests are not refused"}) },
		"on a machine that stops for a moment":       func() backing.Backing { return slow{memory.New(), 50 * time.Millisecond} },
		"on a machine that stops for a second":       func() backing.Backing { return slow{memory.New(), time.Second} },
		"it cannot wake anybody":                     func() backing.Backing { return silent{memory.New()} },
		"a decorator that passes on the abilities": func() backing.Backing {
			m := memory.New()
			return decorated{slow{m, 50 * time.Millisecond}, m}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			Run(t, func(*testing.T) backing.Backing { return open() }, Virtual())
		})
	}
}

func TestRunEndsOnlyWhenItsCasesHave(t *testing.T) {
	t.Parallel()
	t.Run("kit", func(t *testing.T) {
		closed := false
		defer func() { closed = true }()
		Run(t, func(t *testing.T) backing.Backing {
			t.Cleanup(func() {
				if closed {
					t.Error("the caller's defer ran before the end of a case")
				}
			})
			return memory.New()
		}, Virtual())
	})
}

type slow struct {
	backing.Backing
	most time.Duration
}

// slowly sleeps before and after an operation, as a network would.
func slowly[A any](s slow, ask func() (A, error)) (A, error) {
	time.Sleep(rand.N(s.most))
	defer func() { time.Sleep(rand.N(s.most)) }()
	return ask()
}

func (s slow) TryAcquire(ctx context.Context, c backing.Claim) (grantOption, error) {
	return slowly(s, func() (grantOption, error) { return s.Backing.TryAcquire(ctx, c) })
}

func (s slow) Refresh(ctx context.Context, c backing.Claim) (bool, error) {
	return slowly(s, func() (bool, error) { return s.Backing.Refresh(ctx, c) })
}

func (s slow) Release(ctx context.Context, key, holder string) (bool, error) {
	return slowly(s, func() (bool, error) { return s.Backing.Release(ctx, key, holder) })
}

func (s slow) IsLocked(ctx context.Context, key string) (bool, error) {
	return slowly(s, func() (bool, error) { return s.Backing.IsLocked(ctx, key) })
}

func (s slow) GetHolder(ctx context.Context, key string) (holderOption, error) {
	return slowly(s, func() (holderOption, error) { return s.Backing.GetHolder(ctx, key) })
}

// fiveOf hides the abilities.
func fiveOf(b backing.Backing) backing.Backing { return &backing.Funcs{Base: b} }
