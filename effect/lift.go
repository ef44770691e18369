package effect

import (
	"context"
	"io"
)

// Action makes an effect of a function that returns only an error. It always calls f,
// which decides by itself what to do with a context that has ended. A function that
// returns a value too is an effect as it is.
func Action(f func(context.Context) error) Effect[Void] {
	return func(ctx context.Context) (none Void, err error) { return none, f(ctx) }
}

// Sync makes an effect of a function that cannot fail. See [Try].
func Sync[A any](f func() A) Effect[A] {
	return Try(func() (A, error) { return f(), nil })
}

// Try makes an effect of a function that takes no context. Such a function cannot find
// out that its context has ended, so Try does not call it then, as [FlatMap] does not
// start the second effect. Once called, f runs to its end. A value that it returns
// beside its error is kept.
func Try[A any](f func() (A, error)) Effect[A] {
	return func(ctx context.Context) (none A, err error) {
		if ctx.Err() != nil {
			return none, Interrupted(ctx, nil)
		}
		return f()
	}
}

// Close closes a; its failure is that of a's Close. It is the release of a resource
// whose Close needs to know neither a context nor how the work ended:
//
//	effect.AcquireUseRelease(open, use, effect.Close)
//
// The runtime waits for Close, and [FinalizerTimeout] does not bound it. If the work has
// closed the resource already, the second Close may fail: that of an *os.File does, with
// os.ErrClosed.
func Close[A io.Closer](a A, _ Exit[any]) Effect[Void] {
	return Action(func(context.Context) error { return a.Close() })
}
