package effect

import (
	"context"
	"errors"
)

// Tagged is an error with a name, as Effect's tagged errors have. The tag is
// for people and logs; code matches the Go type with [CatchTag] or errors.As.
type Tagged interface {
	error
	Tag() string
}

// CatchTag recovers from a failure of type E, which errors.As finds also where
// it is wrapped or joined. It leaves other failures, defects, and the
// interruption of its own context as they are.
func CatchTag[E error, A any](handler func(E) Effect[A]) Operator[A, A] {
	return CatchTags(Case(handler))
}

// Handler is one case of [CatchTags].
type Handler[A any] struct {
	handle func(error) (recovery Effect[A], ok bool)
}

// Case handles the failures of type E.
func Case[E error, A any](handler func(E) Effect[A]) Handler[A] {
	return Handler[A]{func(err error) (Effect[A], bool) {
		e, ok := errors.AsType[E](err)
		if !ok {
			return nil, false
		}
		return handler(e), true
	}}
}

// CatchTags recovers with the first case whose type is found in the failure. See [CatchTag].
func CatchTags[A any](cases ...Handler[A]) Operator[A, A] {
	return recovering(func(a A, err error) Effect[A] {
		for _, c := range cases {
			if recovery, ok := c.handle(err); ok {
				return recovery
			}
		}
		return failing(a, err)
	})
}

// CatchAll recovers from every failure, but from no defect, and not from the
// interruption of its own context.
func CatchAll[A any](handler func(error) Effect[A]) Operator[A, A] {
	return recovering(func(_ A, err error) Effect[A] { return handler(err) })
}

// OrElse runs other if the effect fails. See [CatchAll].
func OrElse[A any](other Effect[A]) Operator[A, A] {
	return CatchAll(func(error) Effect[A] { return other })
}

// MapError replaces a failure by another. It leaves defects and the
// interruption of its own context as they are. f must not return nil.
func MapError[A any](f func(error) error) Operator[A, A] {
	return recovering(func(a A, err error) Effect[A] { return failing(a, f(err)) })
}

// TapError runs an effect on a failure, which it then passes on. If that
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
