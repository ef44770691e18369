package mutex_test

import (
	"context"

	"github.com/IBM/fp-go/v2/option"

	"github.com/effectlock/effectlock/backing"
)

// The operations of the store, each through its fault.

func (s *store) Abilities() backing.Abilities {
	if !s.able {
		return backing.Abilities{}
	}
	a := backing.Abilities{Of: s, Queue: s, Passer: s, Batcher: s, Releaser: s}
	if s.unqueued {
		a.Queue = nil
	}
	return a
}

func (s *store) TryAcquire(ctx context.Context, c backing.Claim) (option.Option[backing.Grant], error) {
	return send(ctx, s, "tryAcquire", request{claim: c}, func(ctx context.Context) (option.Option[backing.Grant], error) { return s.real().TryAcquire(ctx, c) })
}

func (s *store) Refresh(ctx context.Context, c backing.Claim) (bool, error) {
	return send(ctx, s, "refresh", request{claim: c}, func(ctx context.Context) (bool, error) { return s.real().Refresh(ctx, c) })
}

func (s *store) Release(ctx context.Context, key, holder string) (bool, error) {
	r := request{claim: backing.Claim{Key: key, Holder: holder}}
	return send(ctx, s, "release", r, func(ctx context.Context) (bool, error) { return s.real().Release(ctx, key, holder) })
}

func (s *store) IsLocked(ctx context.Context, key string) (bool, error) {
	return send(ctx, s, "isLocked", request{}, func(ctx context.Context) (bool, error) { return s.real().IsLocked(ctx, key) })
}

func (s *store) GetHolder(ctx context.Context, key string) (option.Option[string], error) {
	return send(ctx, s, "getHolder", request{}, func(ctx context.Context) (option.Option[string], error) { return s.real().GetHolder(ctx, key) })
}

func (s *store) Enqueue(ctx context.Context, w backing.Waiter) (backing.Outcome, error) {
	r := request{claim: w.Claim, waiter: w, answer: backing.MustPoll{}}
	return send(ctx, s, "enqueue", r, func(ctx context.Context) (backing.Outcome, error) { return s.real().Enqueue(ctx, w) })
}

func (s *store) Pass(ctx context.Context, from backing.Claim, next backing.Waiter, yield bool) (backing.Outcome, error) {
	r := request{claim: from, waiter: next, yield: yield, answer: backing.Refused{}}
	return send(ctx, s, "pass", r, func(ctx context.Context) (backing.Outcome, error) { return s.real().Pass(ctx, from, next, yield) })
}

func (s *store) ReleaseClaim(ctx context.Context, c backing.Claim) (backing.Released, error) {
	return send(ctx, s, "release", request{claim: c}, func(ctx context.Context) (backing.Released, error) { return s.real().ReleaseClaim(ctx, c) })
}

// RefreshAll gives each claim the error of its fault.
func (s *store) RefreshAll(ctx context.Context, claims []backing.Claim) []backing.Refreshed {
	answers, err := send(ctx, s, "refreshAll", request{}, func(ctx context.Context) ([]backing.Refreshed, error) {
		return s.real().RefreshAll(ctx, claims), nil
	})
	if err != nil {
		answers = make([]backing.Refreshed, len(claims))
		for i := range answers {
			answers[i].Err = err
		}
	}
	return answers
}
