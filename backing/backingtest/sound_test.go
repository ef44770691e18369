package backingtest_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/IBM/fp-go/v2/option"
	"go.uber.org/goleak"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/backingtest"
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
	backingtest.Run(t, func(t *testing.T) backing.Backing { return shared }, backingtest.TTL(100*time.Millisecond))
}

func TestASoundBackingPassesInVirtualTime(t *testing.T) {
	t.Parallel()
	backingtest.Run(t, func(t *testing.T) backing.Backing { return memory.New() }, backingtest.Virtual())
}

func TestABackingThatDoesNotFencePasses(t *testing.T) {
	t.Parallel()
	backingtest.Run(t, func(t *testing.T) backing.Backing { return unfenced{memory.New()} }, backingtest.Virtual())
}

func TestABackingThatGivesANewTokenEachTimePasses(t *testing.T) {
	t.Parallel()
	backingtest.Run(t, func(t *testing.T) backing.Backing { return &counted{Backing: memory.New()} }, backingtest.Virtual())
}

// A store need not know a late request, if its client sees to it that none is left.
func TestABackingThatDoesNotRefuseLateRequestsPasses(t *testing.T) {
	t.Parallel()
	backingtest.Run(t, func(t *testing.T) backing.Backing { return &trusting{Backing: memory.New()} }, backingtest.Virtual())
}

// As on a machine that has stopped for a moment now and then.
func TestASlowBackingPasses(t *testing.T) {
	t.Parallel()
	for _, most := range []time.Duration{50 * time.Millisecond, time.Second} {
		t.Run(most.String(), func(t *testing.T) {
			t.Parallel()
			backingtest.Run(t, func(t *testing.T) backing.Backing { return slow{memory.New(), most} }, backingtest.Virtual())
		})
	}
}

func TestRunEndsOnlyWhenItsCasesHave(t *testing.T) {
	t.Parallel()
	t.Run("kit", func(t *testing.T) {
		closed := false
		defer func() { closed = true }()
		backingtest.Run(t, func(t *testing.T) backing.Backing {
			t.Cleanup(func() {
				if closed {
					t.Error("the caller's defer ran before the end of a case")
				}
			})
			return memory.New()
		}, backingtest.Virtual())
	})
}

type unfenced struct{ backing.Backing }

func (u unfenced) TryAcquire(ctx context.Context, c backing.Claim) (option.Option[backing.Grant], error) {
	g, err := u.Backing.TryAcquire(ctx, c)
	return option.Map(func(g backing.Grant) backing.Grant { return backing.Grant{Resumed: g.Resumed} })(g), err
}

// counted counts what it grants, again or not.
type counted struct {
	backing.Backing
	n atomic.Uint64
}

func (c *counted) TryAcquire(ctx context.Context, claim backing.Claim) (option.Option[backing.Grant], error) {
	g, err := c.Backing.TryAcquire(ctx, claim)
	return option.Map(func(g backing.Grant) backing.Grant { return backing.Grant{Token: c.n.Add(1), Resumed: g.Resumed} })(g), err
}

// trusting takes each request for one of an acquisition of its own.
type trusting struct {
	backing.Backing
	n atomic.Uint64
}

func (s *trusting) TryAcquire(ctx context.Context, c backing.Claim) (option.Option[backing.Grant], error) {
	c.Attempt = fmt.Sprint(s.n.Add(1))
	return s.Backing.TryAcquire(ctx, c)
}

type slow struct {
	backing.Backing
	most time.Duration
}

// pause is what the network takes; called before and, deferred, after an operation.
func (s slow) pause() { time.Sleep(rand.N(s.most)) }

func (s slow) TryAcquire(ctx context.Context, c backing.Claim) (option.Option[backing.Grant], error) {
	s.pause()
	defer s.pause()
	return s.Backing.TryAcquire(ctx, c)
}

func (s slow) Refresh(ctx context.Context, c backing.Claim) (bool, error) {
	s.pause()
	defer s.pause()
	return s.Backing.Refresh(ctx, c)
}

func (s slow) Release(ctx context.Context, key, holder string) (bool, error) {
	s.pause()
	defer s.pause()
	return s.Backing.Release(ctx, key, holder)
}

func (s slow) IsLocked(ctx context.Context, key string) (bool, error) {
	s.pause()
	defer s.pause()
	return s.Backing.IsLocked(ctx, key)
}

func (s slow) GetHolder(ctx context.Context, key string) (option.Option[string], error) {
	s.pause()
	defer s.pause()
	return s.Backing.GetHolder(ctx, key)
}
