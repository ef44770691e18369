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
		var e E
		if !errors.As(err, &e) {
			return nil, false
		}
		return handler(e), true
	}}
}

// CatchTags recovers with the first case whose type is found in the failure. See [CatchTag].
func CatchTags[A any](cases ...Handler[A]) Operator[A, A] {
	return recovering(func(err error) Effect[A] {
		for _, c := range cases {
			if recovery, ok := c.handle(err); ok {
				return recovery
			}
		}
		return Fail[A](err)
	})
}

// CatchAll recovers from every failure, but from no defect, and not from the
// interruption of its own context.
func CatchAll[A any](handler func(error) Effect[A]) Operator[A, A] { return recovering(handler) }

// OrElse runs other if the effect fails. See [CatchAll].
func OrElse[A any](other Effect[A]) Operator[A, A] {
	return recovering(func(error) Effect[A] { return other })
}

// MapError replaces a failure by another, which must not be nil. See
// [CatchAll] for what is no failure.
func MapError[A any](f func(error) error) Operator[A, A] {
	return recovering(func(err error) Effect[A] { return Fail[A](f(err)) })
}

// TapError runs an effect on a failure, which it then passes on. If that
// effect fails as well, its error is joined after the failure. See [CatchAll]
// for what is no failure.
func TapError[A any](f func(error) Effect[Void]) Operator[A, A] {
	return recovering(func(err error) Effect[A] {
		return func(ctx context.Context) (none A, _ error) {
			_, tapped := f(err)(ctx)
			return none, join(err, tapped)
		}
	})
}

// Ignore drops the value and any failure of an effect, but no defect, and not
// the interruption of its own context.
func Ignore[A any](eff Effect[A]) Effect[Void] {
	return OrElse(Succeed(Void{}))(As[A](Void{})(eff))
}

// recovering runs the effect that handler makes of a failure. An error that
// comes when the context has ended belongs to the interruption, whatever made
// it: to recover then would turn the caller's cancellation into a success.
func recovering[A any](handler func(error) Effect[A]) Operator[A, A] {
	return func(eff Effect[A]) Effect[A] {
		return func(ctx context.Context) (none A, _ error) {
			a, err := eff(ctx)
			if err == nil {
				return a, nil
			}
			if _, ok := asDefect(err); ok {
				return none, err
			}
			if ctx.Err() != nil {
				return none, Interrupted(ctx, err)
			}
			return handler(err)(ctx)
		}
	}
}
