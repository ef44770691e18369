package effect

import (
	"context"
	"errors"

	"github.com/IBM/fp-go/v2/result"
)

// Attempt turns a failure into a value: it yields a Result that holds either the value of
// the effect or its failure. It leaves defects and the interruption of its own context as
// they are. A value beside the failure is dropped.
func Attempt[A any](e Effect[A]) Effect[result.Result[A]] {
	caught := CatchAll(func(err error) Effect[result.Result[A]] { return Succeed(result.Left[A](err)) })
	return caught(Map(result.Of[A])(e))
}

// Absolve undoes [Attempt]: it yields the value that the Result holds, or fails with its
// failure. If the effect returns a Result beside an error, as when a finalizer has failed,
// the Result's value is returned beside that error, or the error is joined after the
// Result's failure.
func Absolve[A any](e Effect[result.Result[A]]) Effect[A] {
	return func(ctx context.Context) (A, error) {
		r, err := e(ctx)
		a, failed := result.Unwrap(r)
		return a, join(failed, err)
	}
}

// Parted holds the failures and the values of [Partition], each in the order of the items.
type Parted[B any] struct {
	Errors []error
	Values []B
}

// Partition runs the effect that f returns for each item, at most concurrency of them at a
// time (all at once if concurrency is zero or less), and yields their failures and their
// values. No failure cancels the others, or keeps one from starting. A value beside a
// failure is dropped.
//
// A defect and the end of the context stop it as they stop [ForEach]; the failures and
// values that exist by then are returned beside the error.
func Partition[A, B any](concurrency int, f Kleisli[A, B]) Kleisli[[]A, Parted[B]] {
	return func(items []A) Effect[Parted[B]] {
		return func(ctx context.Context) (parted Parted[B], err error) {
			all, err := settleEach(concurrency, f)(items)(ctx)
			for _, item := range all {
				switch {
				case item.failed != nil:
					parted.Errors = append(parted.Errors, item.failed)
				case item.ended:
					parted.Values = append(parted.Values, item.value)
				}
			}
			return parted, err
		}
	}
}

// Validate is [ForEach] for checks: it runs all of the effects, even if some of them fail.
// It then fails with all of the failures, joined in the order of the items. The values that
// exist are returned beside the error, each at the index of its item.
//
// A defect and the end of the context stop it as they stop ForEach; the error is joined
// after the failures.
func Validate[A, B any](concurrency int, f Kleisli[A, B]) Kleisli[[]A, []B] {
	return func(items []A) Effect[[]B] {
		return func(ctx context.Context) ([]B, error) {
			all, err := settleEach(concurrency, f)(items)(ctx)
			values := make([]B, len(all))
			var failures []error
			for i, item := range all {
				values[i] = item.value
				if item.failed != nil {
					failures = append(failures, item.failed)
				}
			}
			if err != nil {
				failures = append(failures, err)
			}
			if len(failures) == 1 {
				return values, failures[0]
			}
			// join would drop the second of two items that fail with the same error.
			return values, errors.Join(failures...)
		}
	}
}

// settled is what became of an item. A Result has no room for a value beside a failure, nor
// for an item that never started.
type settled[B any] struct {
	value  B
	failed error
	ended  bool // with a value or a failure
}

func settleEach[A, B any](concurrency int, f Kleisli[A, B]) Kleisli[[]A, []settled[B]] {
	return ForEach(concurrency, func(item A) Effect[settled[B]] {
		return func(ctx context.Context) (s settled[B], err error) {
			keep := recovering(func(_ context.Context, b B, failed error) (B, error) {
				s.failed = failed
				return b, nil
			})
			s.value, err = keep(f(item))(ctx)
			s.ended = err == nil
			return s, err
		}
	})
}
