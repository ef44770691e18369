package effect

import (
	"context"
	"errors"

	"github.com/effectlock/effectlock/internal/failures"
)

// Tagged is an error with a name, as Effect's tagged errors have. The tag is
// for people and logs; code matches the Go type with [CatchTag] or errors.As.
type Tagged interface {
	error
	Tag() string
}

// Failures lists the failures that errors.Join has joined, in their order. The error of
// work whose finalizers failed as well is such a join. Joins inside joins are taken apart
// too. An error that joins nothing is itself the one failure; for nil the list is empty.
//
// A join is also found inside an error that wraps it. The text of fmt.Errorf with a single
// %w is then left out; any other type is found by errors.As in each of the failures. Errors
// that are joined in other ways are one failure: those of fmt.Errorf with several %w, which
// mostly gives one failure several names, and those of types whose Unwrap returns several.
func Failures(err error) []error { return failures.Of(err) }

// CatchTag recovers from a failure of type E, which errors.As finds also where
// it is wrapped. It leaves other failures, defects, and the interruption of its own
// context as they are.
//
// If several [Failures] are joined, each must be an E, and the handler is called for
// the first: a handler for a failed release does not make a success of failed work.
func CatchTag[E error, A any](handler func(E) Effect[A]) Operator[A, A] {
	return CatchTags(Case(handler))
}

// Handler is one case of [CatchTags].
type Handler[A any] struct {
	recovery func(error) Effect[A] // nil if the failure is of another type
}

// Case handles the failures of type E.
func Case[E error, A any](handler func(E) Effect[A]) Handler[A] {
	return Handler[A]{func(err error) Effect[A] {
		e, ok := errors.AsType[E](err)
		if !ok {
			return nil
		}
		return func(ctx context.Context) (A, error) { return handler(e)(ctx) }
	}}
}

// CatchTags recovers with the first case whose type is found in the failure. If several
// [Failures] are joined, each must have a case, and the case of the first is run. See
// [CatchTag].
func CatchTags[A any](cases ...Handler[A]) Operator[A, A] {
	find := func(failure error) Effect[A] {
		for _, c := range cases {
			if recovery := c.recovery(failure); recovery != nil {
				return recovery
			}
		}
		return nil
	}
	return recovering(func(ctx context.Context, a A, err error) (A, error) {
		if !failures.All(err, func(failure error) bool { return find(failure) != nil }) {
			return a, err
		}
		return find(Failures(err)[0])(ctx)
	})
}

// CatchAll recovers from every failure, but from no defect, and not from the
// interruption of its own context. The handler is given the whole error, which may
// join several [Failures].
func CatchAll[A any](handler func(error) Effect[A]) Operator[A, A] {
	return recovering(func(ctx context.Context, _ A, err error) (A, error) { return handler(err)(ctx) })
}

// OrElse runs other if the effect fails. See [CatchAll].
func OrElse[A any](other Effect[A]) Operator[A, A] {
	return CatchAll(func(error) Effect[A] { return other })
}

// MapError replaces a failure by another; f is given the whole error and must not return
// nil. It leaves defects and the interruption of its own context as they are.
func MapError[A any](f func(error) error) Operator[A, A] {
	return recovering(func(_ context.Context, a A, err error) (A, error) { return a, f(err) })
}

// TapError runs an effect on a failure, which it then passes on; f is given the whole
// error. If that effect fails as well, its error is joined after the failure. It is not
// run for a defect, nor when its own context has ended.
func TapError[A any](f func(error) Effect[Void]) Operator[A, A] {
	return recovering(func(ctx context.Context, a A, err error) (A, error) {
		_, tapped := f(err)(ctx)
		return a, join(err, tapped)
	})
}

// Ignore drops the value and any failure of an effect, but no defect, and not
// the interruption of its own context.
func Ignore[A any](eff Effect[A]) Effect[Void] {
	return OrElse(Succeed(Void{}))(As[A](Void{})(eff))
}

// recovering calls handler with a failure and the value beside it. An error that
// comes when the context has ended belongs to the interruption, whatever made
// it: to recover then would turn the caller's cancellation into a success.
func recovering[A any](handler func(context.Context, A, error) (A, error)) Operator[A, A] {
	return func(eff Effect[A]) Effect[A] {
		return func(ctx context.Context) (A, error) {
			a, err := eff(ctx)
			if err == nil {
				return a, nil
			}
			if _, ok := asDefect(err); ok {
				return a, err
			}
			if ctx.Err() != nil {
				return a, Interrupted(ctx, err)
			}
			return handler(ctx, a, err)
		}
	}
}
