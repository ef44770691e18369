package mutex

import (
	"context"
	"errors"
	"time"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/effect"
)

// once sends one request to the store, and reports a failure to the observer.
func once[A any](ctx context.Context, m *Mutex, operation string, request effect.Effect[A]) (A, error) {
	a, err := send(ctx, m, operation, request)
	m.observeFailure(ctx, err)
	return a, err
}

// observeFailure reports the failure of a request, if err is one.
func (m *Mutex) observeFailure(ctx context.Context, err error) {
	if failed, ok := err.(*MutexBackingError); ok { //nolint:errorlint // send returns it unwrapped
		m.observe(ctx, Event{Kind: BackingFailed, Key: m.key, Err: failed})
	}
}

// observe reports an event to the observer, if there is one.
func (m *Mutex) observe(ctx context.Context, e Event) {
	if m.observer != nil {
		m.observer(context.WithoutCancel(ctx), e)
	}
}

// send sends one request to the store, and gives it up after the operation
// timeout. It fails with a *MutexBackingError, or with the error of its context.
func send[A any](ctx context.Context, m *Mutex, operation string, request effect.Effect[A]) (A, error) {
	start := time.Now()
	a, err := effect.Timeout[A](m.operationTimeout)(request)(ctx)
	if err == nil {
		return a, nil
	}
	if ctx.Err() != nil {
		return a, effect.Interrupted(ctx, err)
	}
	return a, &MutexBackingError{Operation: operation, Key: m.key, Cause: storesOwn(err, start)}
}

// storesOwn returns the failure of a request that was sent at start, and whose caller's
// context has not ended. A deadline that the store set for itself becomes a TimeoutError,
// and a cancellation of its own is hidden, so that neither can be mistaken for the caller's.
func storesOwn(err error, start time.Time) error {
	if errors.Is(err, context.DeadlineExceeded) {
		err = &effect.TimeoutError{Duration: time.Since(start), Err: err}
	}
	if errors.Is(err, context.Canceled) {
		return &storeCanceled{err}
	}
	return err
}

// storeCanceled is the failure of a store that cancelled its own request.
type storeCanceled struct{ err error }

func (e *storeCanceled) Error() string { return e.err.Error() }

// Is finds target in err, but for context.Canceled.
func (e *storeCanceled) Is(target error) bool {
	return target != context.Canceled && errors.Is(e.err, target)
}

// As finds target in err.
func (e *storeCanceled) As(target any) bool { return errors.As(e.err, target) }

// ask sends a request to the store, and retries it as the policy says while the store
// fails to answer. All tries are one operation: if its context ends during one of them,
// errors.As finds the store's last failure.
func ask[A any](ctx context.Context, m *Mutex, operation string, request effect.Effect[A]) (A, error) {
	a, err := once(ctx, m, operation, request)
	if err == nil || ctx.Err() != nil {
		return a, err
	}
	last := err
	first := true
	return effect.RetryWhile[A](m.failureRetry, curable)(func(ctx context.Context) (A, error) {
		if first {
			first = false
			return a, err
		}
		a, err := once(ctx, m, operation, request)
		switch {
		case err == nil:
		case ctx.Err() == nil:
			last = err
		case err.Error() == effect.Interrupted(ctx, nil).Error():
			err = effect.Interrupted(ctx, last)
		default:
			err = errors.Join(last, err)
		}
		return a, err
	})(ctx)
}

func curable(err error) bool { return !backing.IsPermanent(err) }

// releasing ends an operation that frees the lock of a claim. Its context should
// be bounded, and not be the caller's, which has often ended: an error then says
// that the store took too long, not that somebody cancelled the operation.
func releasing[A any](m *Mutex, a A, err error) (A, error) {
	if err == nil {
		return a, nil
	}
	if failed, ok := errors.AsType[*MutexBackingError](err); ok {
		return a, failed
	}
	return a, &MutexBackingError{Operation: OperationRelease, Key: m.key, Cause: &effect.TimeoutError{Duration: effect.FinalizerTimeout}}
}
