package mutex

import (
	"context"
	"time"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/effect"
	leases "github.com/effectlock/effectlock/internal/lease"
)

// The life of a lock, in order: hold acquires it and keeps it alive, runUnder runs the work,
// and when the scope closes, the keep-alive is stopped and end releases the lock.

// hold acquires the lock and keeps it alive until the scope closes. The scope runs its
// finalizers last in, first out: it stops and joins the keep-alive, and only then
// releases the lock.
func (m *Mutex) hold(ctx context.Context, s *effect.Scope, acquire effect.Effect[*lease]) (*KeepAlive, error) {
	l, err := effect.AcquireRelease(acquire, (*lease).end)(s)(ctx)
	if err != nil {
		return nil, err
	}
	l.handle = KeepAlive{&l.Fiber, l}
	err = l.Start(s)
	l.deliverAll() // only now, because the observer may be slow
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

// end releases the lock when its scope closes. The keep-alive has been joined by then:
// nothing can refresh, and so resurrect, what is released here. Once the store has
// answered, end waits for the observer.
func (l *lease) end(effect.Exit[any]) effect.Effect[effect.Void] {
	return func(ctx context.Context) (none effect.Void, err error) {
		defer l.deliverAll()
		now := time.Now()
		if lost := l.notifyLoss(l.Apply(leases.Term.Release, now)); lost != nil {
			// Another holder may have the lock already, or the store may still have ours.
			// A failure to release it is reported after the loss.
			_, err := send(ctx, l.m, OperationRelease, l.m.releaseOnce(l.Claim))
			l.m.waitQueue.freed(l.Claim.Holder)
			l.deliverAll()
			l.m.observeFailure(ctx, err)
			return none, lost
		}
		released, err := l.m.release(ctx, l.Claim)
		kind := Released
		switch {
		case err != nil:
			kind = ReleaseFailed
		case released == backing.FreedEarlier:
			return none, l.lose(Gone, nil) // whoever has the lock now did not take it from us
		case released == backing.NotHeld:
			return none, l.lose(l.lossReason())
		}
		l.deliverAll(l.event(kind, now.Sub(l.granted), err))
		return none, err
	}
}
