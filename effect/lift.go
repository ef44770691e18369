package effect

import (
	"context"
	"io"
)

// Action turns a function that returns only an error into an effect. It calls f even if the
// context has ended: f can check that itself. A function that also returns a value needs no
// conversion: it is already an effect.
func Action(f func(context.Context) error) Effect[Void] {
	return func(ctx context.Context) (none Void, err error) { return none, f(ctx) }
}

// Sync turns a function that cannot fail into an effect. See [Try].
func Sync[A any](f func() A) Effect[A] {
	return Try(func() (A, error) { return f(), nil })
}

// Try turns a function that takes no context into an effect. If the context has ended, Try
// fails without calling f. Once f has been called, nothing interrupts it. A value that f
// returns beside an error is kept.
func Try[A any](f func() (A, error)) Effect[A] {
	return func(ctx context.Context) (none A, err error) {
		if ctx.Err() != nil {
			return none, Interrupted(ctx, nil)
		}
		return f()
	}
}

// Close returns an effect that calls a.Close and fails with its error. Pass Close as the
// release of a resource that has a Close method:
//
//	effect.AcquireUseRelease(open, use, effect.Close)
//
// a.Close takes no context, so [FinalizerTimeout] does not bound it. If the work has
// already closed the resource, the second call may fail, as it does for an *os.File, with
// os.ErrClosed.
func Close[A io.Closer](a A, _ Exit[any]) Effect[Void] {
	return Action(func(context.Context) error { return a.Close() })
}
