package backingtest

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/IBM/fp-go/v2/option"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/memory"
)

// Over a connection, wake-ups come late, twice and for nothing, and the key is not kept for
// long.
func TestABackingThatWakesFromAfarPasses(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]Option{
		"in virtual time": {Virtual()},
		"in real time":    {TTL(100 * time.Millisecond)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			Run(t, func(*testing.T) backing.Backing { return distant{memory.New()} }, opts...)
		})
	}
}

// decorated passes on the abilities of what it wraps.
type decorated struct {
	backing.Backing
	wrapped *memory.Backing
}

func (d decorated) Abilities() backing.Abilities {
	a := d.wrapped.Abilities()
	a.Of = d
	return a
}

type distant struct{ *memory.Backing }

func (d distant) Abilities() backing.Abilities {
	return backing.Abilities{Of: d, Queue: d, Passer: d, Batcher: d, Releaser: d}
}

func (d distant) Enqueue(ctx context.Context, w backing.Waiter) (backing.Outcome, error) {
	if rand.N(4) == 0 {
		time.AfterFunc(rand.N(5*time.Millisecond), w.Wake)
	}
	o, err := d.Backing.Enqueue(ctx, d.away(w))
	return often(o), err
}

func (d distant) Pass(ctx context.Context, from backing.Claim, next backing.Waiter, yield bool) (backing.Outcome, error) {
	o, err := d.Backing.Pass(ctx, from, d.away(next), yield)
	return often(o), err
}

func (d distant) away(w backing.Waiter) backing.Waiter {
	near := w
	near.Wake = func() {
		_, _ = d.Refresh(context.Background(), backing.Claim{Key: w.Key, Holder: w.Holder, TTL: min(w.TTL, 2*time.Second)})
		for range 1 + rand.N(2) {
			time.AfterFunc(rand.N(5*time.Millisecond), w.Wake)
		}
	}
	return near
}

// often makes claimants ask again every two seconds.
func often(o backing.Outcome) backing.Outcome {
	if q, ok := o.(backing.Queued); ok {
		return backing.Queued{AskAgain: min(q.AskAgain, 2*time.Second)}
	}
	return o
}

// silent cannot wake anybody, so it queues nobody; nor does it remember releases.
type silent struct{ *memory.Backing }

func (s silent) Abilities() backing.Abilities {
	return backing.Abilities{Of: s, Queue: s, Passer: s, Batcher: s}
}

func (s silent) Enqueue(ctx context.Context, w backing.Waiter) (backing.Outcome, error) {
	o, err := s.TryAcquire(ctx, w.Claim)
	if g, ok := option.Unwrap(o); ok {
		return backing.Granted{Grant: g}, err
	}
	return backing.MustPoll{Why: errors.New("the subscription was refused")}, err
}
