package effect

import (
	"context"
	"io"
)

// Action makes an effect of a function that takes a context and returns only an error. It
// calls f even if the context has ended, as f can find that out itself. A function that
// returns a value too needs no conversion: it is an effect already.
func Action(f func(context.Context) error) Effect[Void] {
	return func(ctx context.Context) (none Void, err error) { return none, f(ctx) }
}

// Sync makes an effect of a function that cannot fail. See [Try].
func Sync[A any](f func() A) Effect[A] {
	return Try(func() (A, error) { return f(), nil })
}

// Try makes an effect of a function that takes no context. Once f has been called, nothing
// interrupts it. Since f cannot find out that the context has ended, Try does not call it
// then, but fails as [Sleep] does. It keeps a value that f returns beside an error.
func Try[A any](f func() (A, error)) Effect[A] {
	return func(ctx context.Context) (none A, err error) {
		if ctx.Err() != nil {
			return none, Interrupted(ctx, nil)
		}
		return f()
	}
}

// Close calls a.Close, and fails with its error. It is the release of a resource that has a
// Close method:
//
//	effect.AcquireUseRelease(open, use, effect.Close)
//
// The runtime waits until a.Close returns: that takes no context, so [FinalizerTimeout]
// does not bound it. If the work has closed the resource already, the second call may
// fail, as it does for an *os.File, with os.ErrClosed.
func Close[A io.Closer](a A, _ Exit[any]) Effect[Void] {
	return Action(func(context.Context) error { return a.Close() })
}
