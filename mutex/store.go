package mutex

import (
	"context"
	"errors"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/effect"
)

// once sends one request to the store, and gives it up after the operation
// timeout. It fails with a *MutexBackingError, or as its context ended.
func once[A any](ctx context.Context, m *Mutex, operation string, request effect.Effect[A]) (A, error) {
	a, err := effect.Timeout[A](m.operationTimeout)(request)(ctx)
	if err == nil {
		return a, nil
	}
	if ctx.Err() != nil {
		return a, effect.Interrupted(ctx, err)
	}
	err = &MutexBackingError{Operation: operation, Key: m.key, Cause: err}
	m.observer(Event{Kind: BackingFailed, Key: m.key, Err: err})
	return a, err
}

// ask sends a request to the store, and sends it again while the store fails
// to answer, as the policy says.
func ask[A any](ctx context.Context, m *Mutex, operation string, request effect.Effect[A]) (A, error) {
	return effect.RetryWhile[A](m.failureRetry, curable)(func(ctx context.Context) (A, error) {
		return once(ctx, m, operation, request)
	})(ctx)
}

func curable(err error) bool { return !backing.IsPermanent(err) }

// release frees the lock of a claim, or makes sure that it is not held. The
// context should be bounded, and not be the caller's, which has often ended.
func (m *Mutex) release(ctx context.Context, c backing.Claim) (bool, error) {
	released, err := ask(ctx, m, "release", m.releasing(c))
	if err == nil {
		return released, nil
	}
	if failed, ok := errors.AsType[*MutexBackingError](err); ok {
		return false, failed
	}
	return false, &MutexBackingError{Operation: "release", Key: m.key, Cause: &effect.TimeoutError{Duration: effect.FinalizerTimeout}}
}

func (m *Mutex) releasing(c backing.Claim) effect.Effect[bool] {
	return func(ctx context.Context) (bool, error) { return m.store.Release(ctx, c.Key, c.Holder) }
}
