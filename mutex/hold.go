package mutex

import (
	"context"
	"errors"
	"time"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/internal/failures"
)

// KeepAlive is a held lock: the fiber that refreshes its lease. The fiber
// fails with a *[LockLostError] when the lock is lost, and is interrupted when
// the scope of the lock closes. Interrupting it earlier ends the refreshing, not
// the lock, which is then lost when its lease runs out. It is safe for concurrent
// use.
type KeepAlive struct {
	*effect.Fiber[effect.Never]
	lease *lease
}

// Key returns the key of the lock, by which a resource can tell whether a token
// is meant for it.
func (k *KeepAlive) Key() string { return k.lease.Claim.Key }

// HolderID returns the id under which the store knows this holder. It is a
// secret of sorts: who knows it can release the lock.
func (k *KeepAlive) HolderID() string { return k.lease.Claim.Holder }

// Token returns the fencing token of the grant, 0 if the store does not fence.
func (k *KeepAlive) Token() uint64 { return k.lease.token }

// hold acquires the lock and keeps it alive until the scope closes. The scope
// then ends what was registered last first: it stops and joins the keep-alive,
// and only then releases the lock.
func (m *Mutex) hold(ctx context.Context, s *effect.Scope, acquire effect.Effect[*lease]) (*KeepAlive, error) {
	l, err := effect.AcquireRelease(acquire, (*lease).end)(s)(ctx)
	if err != nil {
		return nil, err
	}
	l.handle = KeepAlive{&l.Fiber, l}
	err = l.Start(s)
	l.deliverAll() // which may take long
	if err != nil {
		return nil, err
	}
	return &l.handle, nil
}

// runUnder runs work under a context that ends when the lock is lost.
func runUnder[A any](ctx context.Context, lock *KeepAlive, work effect.Effect[A]) (A, error) {
	held := lock.lease.startWork(ctx)
	defer held.end(nil)
	a, err := work(held)
	return a, result(ctx, held, err, lock.lease.lossAt(time.Now()))
}

type keepAliveKey struct{}

// FromContext returns the lock under which work runs: inside [WithLock] and
// its kin, the innermost one; false elsewhere, also in a scope that holds locks
// by [Mutex.Acquire]. It does not say whether the lock is still held: ctx does.
func FromContext(ctx context.Context) (*KeepAlive, bool) {
	k, ok := ctx.Value(keepAliveKey{}).(*KeepAlive)
	return k, ok
}

// result is the error of work that ended with err under a lock that was lost,
// or not. held is the work's context, caller the one around the lock.
func result(caller, held context.Context, err error, lost *LockLostError) error {
	switch {
	case lost == nil:
		return err
	case err == nil:
		return lost
	case caller.Err() == nil && errors.Is(err, context.Canceled):
		// We cancelled the work. To a caller that did not, context.Canceled
		// would look like an orderly end. What failed besides, such as a finalizer,
		// is a failure of its own.
		var all []error
		for _, failure := range effect.Failures(err) {
			if errors.Is(failure, context.Canceled) {
				failure = cancelledFor(held, failure, lost)
			}
			if !failures.Is(errors.Join(all...), failure) {
				all = append(all, failure)
			}
		}
		if len(all) == 1 {
			return all[0]
		}
		return errors.Join(all...)
	case errors.Is(err, lost):
		return err
	}
	return errors.Join(err, lost)
}

func cancelledFor(held context.Context, failure error, lost *LockLostError) error {
	if said := failure.Error(); said == context.Canceled.Error() || held.Err() != nil && said == effect.Interrupted(held, nil).Error() {
		return lost // the work said no more than that
	}
	return &cancelledByLoss{lost, failure}
}

// cancelledByLoss is a loss that mentions what the work failed with when it
// was cancelled for it.
type cancelledByLoss struct {
	*LockLostError
	work error
}

func (e *cancelledByLoss) Error() string {
	return e.LockLostError.Error() + "; the work was cancelled, and said: " + e.work.Error()
}

// Unwrap finds the loss, and Is and As what else the work failed with.
func (e *cancelledByLoss) Unwrap() error { return e.LockLostError }

func (e *cancelledByLoss) Is(target error) bool {
	return target != context.Canceled && errors.Is(e.work, target)
}

func (e *cancelledByLoss) As(target any) bool { return errors.As(e.work, target) }
