package mutex

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/IBM/fp-go/v2/option"

	"github.com/effectlock/effectlock/effect"
	leases "github.com/effectlock/effectlock/internal/lease"
	"github.com/effectlock/effectlock/schedule"
)

// lease is one acquisition: a grant from the store, which the renewer keeps alive, and the
// work that depends on it.
type lease struct {
	leases.Lease
	m        *Mutex
	ctx      context.Context // of the acquisition; the observer is given its values
	token    uint64
	granted  time.Time
	waited   time.Duration // from the call to the grant
	handle   KeepAlive
	failures *schedule.Driver // the retry policy's state in the current run of failed refreshes
	work     heldContext

	mu   sync.Mutex
	lost *LockLostError
	events
}

var renewers shared[leases.Key, leases.Renewer]

// begin makes l the lease of the lock that was granted to w.
func (l *lease) begin(ctx context.Context, w *waiter, now time.Time) *lease {
	l.ctx = ctx
	l.m, l.token, l.granted, l.waited = w.m, w.grant.Token, now, now.Sub(w.arrived)
	l.idle.L = &l.mu
	l.Init(w.m.renewer, w.claim, w.grant.start, l)
	return l
}

func (l *lease) event(kind EventKind, elapsed time.Duration, err error) Event {
	return Event{Kind: kind, Key: l.m.key, Holder: l.Claim.Holder, Token: l.token, Elapsed: elapsed, Err: err}
}

// startWork makes the context of the work, which ends when the lease is lost.
func (l *lease) startWork(ctx context.Context) *heldContext {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.work.parent, l.work.lock = ctx, &l.handle //nolint:fatcontext // a lease has one work
	if l.lost != nil {
		l.work.end(l.lost)
	}
	return &l.work
}

func (l *lease) lossAt(now time.Time) *LockLostError {
	return l.notifyLoss(l.Apply(leases.Term.Expire, now))
}

func (l *lease) lose(reason LossReason, cause error) *LockLostError {
	loss := leases.Loss{Reason: string(reason), Cause: cause}
	return l.notifyLoss(l.Apply(func(t leases.Term, _ time.Duration) leases.Term { return t.Lose(loss) }, time.Time{}))
}

// notifyLoss returns the loss as an error. The first call also ends the work's context and
// makes the next in line ask. It leaves the call of the observer to another goroutine: a
// nested lock that checks the context of this one may hold mutexes of this package.
func (l *lease) notifyLoss(loss *leases.Loss) *LockLostError {
	if loss == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lost == nil {
		l.lost = &LockLostError{Key: l.m.key, Holder: l.Claim.Holder, Token: l.token, Reason: LossReason(loss.Reason), Cause: loss.Cause}
		if l.work.parent != nil {
			l.work.end(l.lost)
		}
		l.m.waitQueue.freed(l.Claim.Holder)
		l.post(l.event(Lost, time.Since(l.granted), l.lost))
	}
	return l.lost
}

// backingFailed reports the failure of a background request. It reports nothing after the
// loss.
func (l *lease) backingFailed(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lost == nil {
		l.post(Event{Kind: BackingFailed, Key: l.m.key, Err: err})
	}
}

// Lost, Denied and Failed implement leases.Owner.
func (l *lease) Lost(loss *leases.Loss) error { return l.notifyLoss(loss) }

func (l *lease) Denied() {
	reason, cause := Gone, error(nil)
	defer func() { _ = l.lose(reason, cause) }() // even if the store ends the goroutine
	reason, cause = l.lossReason()
}

func (l *lease) Failed(err error, now time.Time, first bool) (delay time.Duration, ok bool) {
	l.backingFailed(&MutexBackingError{Operation: OperationRefresh, Key: l.m.key, Cause: err})
	if first || l.failures == nil {
		l.failures = l.m.failureRetry.Driver()
	}
	if delay, ok = l.failures.Next(now, err); !ok {
		l.failures = nil
	}
	return delay, ok
}

// lossReason asks the store for the reason for a loss that it has reported. It does not wait
// long, because the work is still running. It asks even if the lock is being released.
func (l *lease) lossReason() (LossReason, error) {
	brief, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	holder, err := send(brief, l.m, OperationGetHolder, func(ctx context.Context) (option.Option[string], error) {
		// A panic counts as a failure: nothing on a refresh's goroutine could recover it.
		exit := effect.RunExit(ctx, func(ctx context.Context) (option.Option[string], error) { return l.m.store.GetHolder(ctx, l.m.key) })
		holder, _ := exit.Value()
		return holder, exit.Err()
	})
	switch failed, ok := errors.AsType[*MutexBackingError](err); {
	case option.IsSome(holder):
		return Taken, nil
	case brief.Err() != nil || !ok:
		return Gone, nil // as far as we know
	default:
		l.backingFailed(err)
		return Gone, failed.Cause
	}
}
