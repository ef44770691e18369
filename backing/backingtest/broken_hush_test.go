package backingtest

import (
	"context"
	"errors"

	"github.com/effectlock/effectlock/backing"
)

// Clients that take no answer for a no, each in one operation and for one reason.
var brokenByHushing = func() (all []brokenByFault) {
	hushing := func(operation, reason string, hides error) {
		all = append(all, brokenByFault{operation + " hides that " + reason, []rule{noAnswer}, before(func(w *wire, _ *Faults) backing.Backing {
			return hush{w, operation, hides}
		})})
	}
	for _, operation := range []string{"TryAcquire", "Refresh", "Release", "ReleaseClaim", "Pass", "RefreshAll"} {
		hushing(operation, "an answer was lost", errConnection)
	}
	for _, operation := range []string{"TryAcquire", "Refresh", "Release", "IsLocked", "GetHolder", "ReleaseClaim", "Enqueue", "Pass", "RefreshAll"} {
		hushing(operation, "a context has ended", context.Canceled)
	}
	return all
}()

type hush struct {
	*wire
	operation string
	hides     error
}

func hushed[A any](ctx context.Context, h hush, operation string, ask func() (A, error)) (A, error) {
	if ctx.Err() != nil {
		return ask()
	}
	answer, err := ask()
	if operation == h.operation && errors.Is(err, h.hides) {
		err = nil
	}
	return answer, err
}

func (h hush) Abilities() backing.Abilities { return allOf(h) }

func (h hush) TryAcquire(ctx context.Context, c backing.Claim) (grantOption, error) {
	return hushed(ctx, h, "TryAcquire", func() (grantOption, error) { return h.wire.TryAcquire(ctx, c) })
}

func (h hush) Refresh(ctx context.Context, c backing.Claim) (bool, error) {
	return hushed(ctx, h, "Refresh", func() (bool, error) { return h.wire.Refresh(ctx, c) })
}

func (h hush) Release(ctx context.Context, key, holder string) (bool, error) {
	return hushed(ctx, h, "Release", func() (bool, error) { return h.wire.Release(ctx, key, holder) })
}

func (h hush) IsLocked(ctx context.Context, key string) (bool, error) {
	return hushed(ctx, h, "IsLocked", func() (bool, error) { return h.wire.IsLocked(ctx, key) })
}

func (h hush) GetHolder(ctx context.Context, key string) (holderOption, error) {
	return hushed(ctx, h, "GetHolder", func() (holderOption, error) { return h.wire.GetHolder(ctx, key) })
}

func (h hush) ReleaseClaim(ctx context.Context, c backing.Claim) (backing.Released, error) {
	return hushed(ctx, h, "ReleaseClaim", func() (backing.Released, error) { return h.wire.ReleaseClaim(ctx, c) })
}

func (h hush) Enqueue(ctx context.Context, w backing.Waiter) (backing.Outcome, error) {
	return hushed(ctx, h, "Enqueue", func() (backing.Outcome, error) { return h.wire.Enqueue(ctx, w) })
}

func (h hush) Pass(ctx context.Context, from backing.Claim, next backing.Waiter, yield bool) (backing.Outcome, error) {
	return hushed(ctx, h, "Pass", func() (backing.Outcome, error) { return h.wire.Pass(ctx, from, next, yield) })
}

func (h hush) RefreshAll(ctx context.Context, claims []backing.Claim) []backing.Refreshed {
	ended := ctx.Err() != nil
	all := h.wire.RefreshAll(ctx, claims)
	if !ended && h.operation == "RefreshAll" && errors.Is(all[0].Err, h.hides) {
		return make([]backing.Refreshed, len(claims))
	}
	return all
}
