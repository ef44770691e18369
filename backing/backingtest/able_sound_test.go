package backingtest_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/backingtest"
	"github.com/effectlock/effectlock/backing/memory"
)

func TestADecoratedBackingPasses(t *testing.T) {
	t.Parallel()
	backingtest.Run(t, func(*testing.T) backing.Backing {
		m := memory.New()
		return decorated{slow{m, 50 * time.Millisecond}, m}
	}, backingtest.Virtual())
}

// Over a connection: what is told comes late or gets lost, the lease is short at first.
func TestABackingThatTellsFromAfarPasses(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]backingtest.Option{
		"in virtual time": {backingtest.Virtual()},
		"in real time":    {backingtest.TTL(100 * time.Millisecond)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			backingtest.Run(t, func(*testing.T) backing.Backing { return distant{memory.New()} }, opts...)
		})
	}
}

func TestABackingThatCannotTellAnybodyPasses(t *testing.T) {
	t.Parallel()
	backingtest.Run(t, func(*testing.T) backing.Backing { return deaf{memory.New()} }, backingtest.Virtual())
}

// decorated shows what it wraps, which is where its abilities are.
type decorated struct {
	backing.Backing
	wrapped backing.Backing
}

func (d decorated) Unwrap() backing.Backing { return d.wrapped }

type distant struct{ *memory.Backing }

func (d distant) Enqueue(ctx context.Context, w backing.Waiter) (backing.Standing, error) {
	s, err := d.Backing.Enqueue(ctx, d.away(w))
	s.AskAgain = min(s.AskAgain, 2*time.Second)
	return s, err
}

func (d distant) Pass(ctx context.Context, from string, next backing.Waiter, yield bool) (bool, backing.Standing, error) {
	ok, s, err := d.Backing.Pass(ctx, from, d.away(next), yield)
	s.AskAgain = min(s.AskAgain, 2*time.Second)
	return ok, s, err
}

func (d distant) away(w backing.Waiter) backing.Waiter {
	near := w
	near.Granted = func(h backing.Handed) {
		h.Lease = min(h.Lease, 2*time.Second)
		_, _ = d.Refresh(context.Background(), backing.Claim{Key: w.Key, Holder: w.Holder, TTL: h.Lease})
		time.AfterFunc(rand.N(5*time.Millisecond), func() {
			if rand.N(4) == 0 {
				w.Retry()
			} else {
				w.Granted(h)
			}
		})
	}
	return near
}

// deaf has no connection to tell anybody over, and queues nobody.
type deaf struct{ *memory.Backing }

func (d deaf) Enqueue(ctx context.Context, w backing.Waiter) (backing.Standing, error) {
	g, err := d.TryAcquire(ctx, w.Claim)
	return backing.Standing{Grant: g, NotQueued: errors.New("the subscription was refused")}, err
}
