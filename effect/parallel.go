package effect

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
)

// All runs the effects, at most concurrency of them at a time, and yields
// their values in order. See [ForEach].
func All[A any](concurrency int, effects ...Effect[A]) Effect[[]A] {
	return ForEach(concurrency, func(eff Effect[A]) Effect[A] { return eff })(effects)
}

// ForEach runs the effect that f returns for each item, at most concurrency of them at a
// time (all at once if concurrency is zero or less), and yields their values in the order
// of the items. The first failure cancels the effects that are running, keeps the rest from
// starting, and is returned once all have ended; other failures, apart from that
// cancellation, are joined after it. The values that exist are returned beside the error,
// each at the index of its item; the others are zero. For panics see [RaceFirst].
func ForEach[A, B any](concurrency int, f Kleisli[A, B]) Kleisli[[]A, []B] {
	return func(items []A) Effect[[]B] {
		return func(ctx context.Context) ([]B, error) {
			if len(items) == 0 {
				return []B{}, nil
			}
			values := make([]B, len(items))
			var next atomic.Int64
			worker := func(ctx context.Context) (none Void, err error) {
				for i := next.Add(1) - 1; i < int64(len(items)); i = next.Add(1) - 1 {
					if ctx.Err() != nil {
						return none, Interrupted(ctx, nil)
					}
					if values[i], err = f(items[i])(ctx); err != nil {
						return none, err
					}
				}
				return none, nil
			}
			n := len(items)
			if concurrency > 0 {
				n = min(n, concurrency)
			}
			workers := slices.Repeat([]Effect[Void]{worker}, n)
			first, exits := gather(ctx, workers, func(e Exit[Void]) bool { return !e.IsSuccess() })
			err := first.err
			for _, e := range exits {
				if same(e.err, first.err) {
					continue
				}
				for _, failure := range Failures(e.err) {
					if !errors.Is(failure, context.Canceled) && !isInterruption(ctx, failure) {
						err = join(err, failure)
					}
				}
			}
			return values, err
		}
	}
}
