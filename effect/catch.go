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
// work whose finalizers failed as well is such a join, with the work's own failure
// first. Joins inside joins are taken apart too. An error that joins nothing is itself
// the one failure; for nil the list is empty.
//
// A join is also found inside an error that wraps it. If that error is one of fmt.Errorf
// with a single %w, its text is left out. If it has another type, errors.As
// finds that type in each of the failures. Errors that are joined in other ways are one
// failure: those of fmt.Errorf with several %w, which mostly gives one failure several
// names, and those of types whose Unwrap returns several errors.
func Failures(err error) []error { return failures.Of(err) }

// CatchTag recovers from a failure of type E, which errors.As finds also where
// it is wrapped. It leaves other failures, defects, and the interruption of its own
// context as they are.
//
// If several failures are joined, see [Failures], each must be an E, and the handler
// is called for the first: to know what to do about a failed release does not make a
// success of failed work.
func CatchTag[E error, A any](handler func(E) Effect[A]) Operator[A, A] {
	return CatchTags(Case(handler))
}

// Handler is one case of [CatchTags].
type Handler[A any] struct {
	find func(error) (recovery func() Effect[A], ok bool)
}

// Case handles the failures of type E.
func Case[E error, A any](handler func(E) Effect[A]) Handler[A] {
	return Handler[A]{func(err error) (func() Effect[A], bool) {
		e, ok := errors.AsType[E](err)
		return func() Effect[A] { return handler(e) }, ok
	}}
}

// CatchTags recovers with the first case whose type is found in the failure. If
// several failures are joined, each must have a case, and the case of the first failure
// is run. If one failure has no case, none is run and the error stays as it was. See
// [CatchTag].
func CatchTags[A any](cases ...Handler[A]) Operator[A, A] {
	find := func(failure error) (func() Effect[A], bool) {
		for _, c := range cases {
			if recovery, ok := c.find(failure); ok {
				return recovery, true
			}
		}
		return nil, false
	}
	return recovering(func(a A, err error) Effect[A] {
		var first func() Effect[A]
		for _, failure := range Failures(err) {
			recovery, ok := find(failure)
			if !ok {
				return failing(a, err)
			}
			if first == nil {
				first = recovery
			}
		}
		return first()
	})
}

// CatchAll recovers from every failure, but from no defect, and not from the
// interruption of its own context. The handler is given the whole error, which may
// join several failures: see [Failures].
func CatchAll[A any](handler func(error) Effect[A]) Operator[A, A] {
	return recovering(func(_ A, err error) Effect[A] { return handler(err) })
}

// OrElse runs other if the effect fails, whatever failures are joined in its
// error. See [CatchAll].
func OrElse[A any](other Effect[A]) Operator[A, A] {
	return CatchAll(func(error) Effect[A] { return other })
}

// MapError replaces a failure by another. f is given the whole error, which may
// join several failures: see [Failures]. It leaves defects and the
// interruption of its own context as they are. f must not return nil.
func MapError[A any](f func(error) error) Operator[A, A] {
	return recovering(func(a A, err error) Effect[A] { return failing(a, f(err)) })
}

// TapError runs an effect on a failure, which it then passes on. f is given the
// whole error, which may join several failures: see [Failures]. If that
// effect fails as well, its error is joined after the failure. It is not run for
// a defect, nor when its own context has ended.
func TapError[A any](f func(error) Effect[Void]) Operator[A, A] {
	return recovering(func(a A, err error) Effect[A] {
		return func(ctx context.Context) (A, error) {
			_, tapped := f(err)(ctx)
			return a, join(err, tapped)
		}
	})
}

// Ignore drops the value and any failure of an effect, but no defect, and not
// the interruption of its own context.
func Ignore[A any](eff Effect[A]) Effect[Void] {
	return OrElse(Succeed(Void{}))(As[A](Void{})(eff))
}

// failing passes on a failure, and the value that came beside it.
func failing[A any](a A, err error) Effect[A] {
	return func(context.Context) (A, error) { return a, err }
}

// recovering runs the effect that handler makes of a failure. An error that
// comes when the context has ended belongs to the interruption, whatever made
// it: to recover then would turn the caller's cancellation into a success.
func recovering[A any](handler func(A, error) Effect[A]) Operator[A, A] {
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
			return handler(a, err)(ctx)
		}
	}
}
