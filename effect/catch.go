package effect

import (
	"context"
	"errors"

	"github.com/effectlock/effectlock/internal/failures"
)

// Tagged is an error with a name, like the tagged errors of TypeScript's Effect. The tag
// is for people and logs. Code matches the Go type, with [CatchTag] or errors.As.
type Tagged interface {
	error
	Tag() string
}

// Failures lists the failures that errors.Join joined, in order, such as those of the work
// and of its finalizers. A join inside a join is taken apart too. An error that is not a
// join is one failure; nil is none.
//
// A join that is wrapped in another error is found too. If fmt.Errorf wrapped it with a
// single %w, the text that it added is dropped. A wrapper of any other type is kept:
// errors.As finds it in each of the failures. Errors combined in any other way count as one
// failure: those of fmt.Errorf with several %w, which usually gives one failure several
// names, and those of other types whose Unwrap returns a slice.
func Failures(err error) []error { return failures.Of(err) }

// CatchTag recovers from a failure of type E, which may be wrapped: errors.As finds it. It
// leaves other failures, defects, and the interruption of its own context as they are.
//
// If several [Failures] are joined, each must be an E, and the handler is called with
// the first. So a handler for a failed release does not turn failed work into a success.
func CatchTag[E error, A any](handler func(E) Effect[A]) Operator[A, A] {
	return CatchTags(Case(handler))
}

// Handler is one case of [CatchTags].
type Handler[A any] struct {
	recovery func(error) Effect[A] // nil if the failure is of another type
}

// Case returns a case of [CatchTags] for failures of type E.
func Case[E error, A any](handler func(E) Effect[A]) Handler[A] {
	return Handler[A]{func(err error) Effect[A] {
		e, ok := errors.AsType[E](err)
		if !ok {
			return nil
		}
		return func(ctx context.Context) (A, error) { return handler(e)(ctx) }
	}}
}

// CatchTags is [CatchTag] for several types: it recovers with the first case whose type is
// found in the failure. If several [Failures] are joined, each must have a case, and the
// case for the first of them is run.
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

// CatchAll recovers from every failure. It leaves defects and the interruption of its own
// context as they are. The handler receives the whole error, which may join several
// [Failures].
func CatchAll[A any](handler func(error) Effect[A]) Operator[A, A] {
	return recovering(func(ctx context.Context, _ A, err error) (A, error) { return handler(err)(ctx) })
}

// OrElse runs other if the effect fails. See [CatchAll].
func OrElse[A any](other Effect[A]) Operator[A, A] {
	return CatchAll(func(error) Effect[A] { return other })
}

// MapError replaces a failure with another. f receives the whole error and must not return
// nil. MapError leaves defects and the interruption of its own context as they are.
func MapError[A any](f func(error) error) Operator[A, A] {
	return recovering(func(_ context.Context, a A, err error) (A, error) { return a, f(err) })
}

// TapError runs the effect that f returns for a failure, and then passes the failure on. f
// receives the whole error. If that effect fails as well, its error is joined after the
// failure. f is not called for a defect, nor after the context has ended.
func TapError[A any](f func(error) Effect[Void]) Operator[A, A] {
	return recovering(func(ctx context.Context, a A, err error) (A, error) {
		_, tapped := f(err)(ctx)
		return a, join(err, tapped)
	})
}

// Ignore drops the value and any failure of an effect. Defects and the interruption of its
// own context still come through.
func Ignore[A any](eff Effect[A]) Effect[Void] {
	return OrElse(Succeed(Void{}))(As[A](Void{})(eff))
}

// recovering calls handler with a failure and the value beside it. Any error returned
// after the context has ended counts as an interruption: recovering from it would turn the
// caller's cancellation into a success.
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
