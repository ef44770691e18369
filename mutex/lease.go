package mutex

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/IBM/fp-go/v2/option"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/schedule"
)

// lease is a grant of the store, and what this process knows of its end.
type lease struct {
	m       *Mutex
	claim   backing.Claim
	token   uint64
	granted time.Time
	waited  time.Duration // for the grant

	mu         sync.Mutex
	deadline   time.Time   // by which the lease must have been refreshed
	timer      *time.Timer // ends the lease at the deadline, whatever the store does
	failure    error       // of the last refresh, nil if it succeeded
	lost       *LockLostError
	ended      bool // released or about to be: it can no longer expire
	cancelWork context.CancelCauseFunc
}

// validity is how long after the start of a request the lease that it won may
// be relied on. It is a little less than the TTL: 1 % for clocks that run at
// different rates, as Redlock allows, and up to 1 ms for a timer that is late.
func validity(ttl time.Duration) time.Duration {
	return ttl - ttl/100 - min(ttl/10, time.Millisecond)
}

// newLease watches over a grant whose request was sent at start, and answered now.
func newLease(m *Mutex, r request, token uint64, start, now time.Time) *lease {
	l := &lease{
		m: m, claim: r.Claim, token: token,
		granted: now, waited: now.Sub(r.arrived),
		deadline: start.Add(validity(m.ttl)),
	}
	l.timer = time.AfterFunc(l.deadline.Sub(now), func() { _ = l.lossBy(time.Now()) })
	return l
}

func (l *lease) event(kind EventKind, elapsed time.Duration, err error) Event {
	return Event{Kind: kind, Key: l.m.key, Holder: l.claim.Holder, Token: l.token, Elapsed: elapsed, Err: err}
}

// keepAlive refreshes the lease, first at once, until it is lost or the fiber
// is interrupted. The store's failures do not end it: the deadline does.
func (l *lease) keepAlive(ctx context.Context) (effect.Never, error) {
	var failures *schedule.Driver // of the failures in a row
	for {
		if lost := l.lossBy(time.Now()); lost != nil {
			return nil, lost
		}
		start, wait := time.Now(), l.m.refreshInterval
		ours, err := l.refresh(ctx)
		switch {
		case err != nil:
			if failures == nil {
				failures = l.m.failureRetry.Driver()
			}
			delay, ok := failures.Next(time.Now(), err)
			if !ok {
				failures, delay = nil, l.m.refreshInterval
			}
			// However long the policy would wait: the lease still has time for a try.
			wait = min(delay, max(time.Until(l.until())/2, time.Millisecond))
		case !ours:
			return nil, l.lose(l.whoHasIt(ctx))
		default:
			l.extend(start)
			failures, wait = nil, wait-time.Since(start)
		}
		if _, err := effect.Sleep(min(wait, time.Until(l.until())))(ctx); err != nil {
			return nil, err
		}
	}
}

// refresh asks once, and no longer than the lease runs.
func (l *lease) refresh(ctx context.Context) (bool, error) {
	began := time.Now()
	bounded, cancel := context.WithDeadline(ctx, l.until())
	defer cancel()
	ours, err := once(bounded, l.m, "refresh", func(ctx context.Context) (bool, error) {
		return l.m.store.Refresh(ctx, l.claim)
	})
	if err != nil && ctx.Err() == nil {
		failed, ok := errors.AsType[*MutexBackingError](err)
		if !ok { // cut off by the deadline, which is ours and not the caller's
			failed = &MutexBackingError{Operation: "refresh", Key: l.m.key, Cause: &effect.TimeoutError{Duration: time.Since(began)}}
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.failure = failed
	}
	return ours, err
}

// extend moves the deadline after a refresh that was sent at start. An answer
// that comes after the deadline is too late: others may have had the lock.
func (l *lease) extend(start time.Time) {
	_ = l.update(func() {
		if l.expire(time.Now()); l.lost == nil {
			l.failure = nil
			l.deadline = start.Add(validity(l.claim.TTL))
			l.timer.Reset(time.Until(l.deadline))
		}
	})
}

func (l *lease) until() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.deadline
}

// lossBy returns the loss of the lease, which it has suffered at the latest
// when its deadline has passed at the time now.
func (l *lease) lossBy(now time.Time) *LockLostError {
	return l.update(func() { l.expire(now) })
}

// settle is lossBy for the last time: from here on the lease cannot expire.
func (l *lease) settle(now time.Time) *LockLostError {
	return l.update(func() {
		l.expire(now)
		l.ended = true
		l.timer.Stop()
	})
}

func (l *lease) lose(reason LossReason, cause error) *LockLostError {
	return l.update(func() { l.markLost(reason, cause) })
}

// cancelOnLoss has the context of the work cancelled when the lease is lost.
func (l *lease) cancelOnLoss(cancel context.CancelCauseFunc) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cancelWork = cancel
	if l.lost != nil {
		cancel(l.lost)
	}
}

// update changes what is known of the lease, and returns its loss. Who waits
// for the lock and who watches it hear of a new one, outside of the lease's mutex.
func (l *lease) update(change func()) *LockLostError {
	l.mu.Lock()
	before := l.lost
	change()
	lost := l.lost
	l.mu.Unlock()
	if lost != before {
		l.m.line.wakeFirst()
		l.m.observer(l.event(Lost, time.Since(l.granted), lost))
	}
	return lost
}

// expire and markLost are for functions that update calls.
func (l *lease) expire(now time.Time) {
	if !l.ended && !now.Before(l.deadline) {
		l.markLost(Expired, l.failure)
	}
}

func (l *lease) markLost(reason LossReason, cause error) {
	if l.lost != nil {
		return
	}
	l.lost = &LockLostError{Key: l.m.key, Holder: l.claim.Holder, Token: l.token, Reason: reason, Cause: cause}
	l.timer.Stop()
	if l.cancelWork != nil {
		l.cancelWork(l.lost)
	}
}

// whoHasIt finds the reason of a loss that the store has reported. It is asked
// briefly, for the work runs on meanwhile, and even if the lock is being let go.
func (l *lease) whoHasIt(ctx context.Context) (LossReason, error) {
	brief, cancel := context.WithTimeout(context.WithoutCancel(ctx), 100*time.Millisecond)
	defer cancel()
	holder, err := once(brief, l.m, "getHolder", func(ctx context.Context) (option.Option[string], error) {
		return l.m.store.GetHolder(ctx, l.m.key)
	})
	switch {
	case option.IsSome(holder):
		return Taken, nil
	case brief.Err() != nil:
		return Gone, nil // as far as we know
	}
	return Gone, err
}

// end releases the lock when its scope closes. The keep-alive has been joined
// by then: nothing can refresh, and so resurrect, what is released here.
func (l *lease) end(effect.Exit[any]) effect.Effect[effect.Void] {
	return func(ctx context.Context) (none effect.Void, err error) {
		now := time.Now()
		if lost := l.settle(now); lost != nil {
			// Others may have the lock already. What the store still has of
			// ours is freed if it answers; if not, the observer is told.
			_, _ = once(ctx, l.m, "release", l.m.releasing(l.claim))
			l.m.line.wakeFirst()
			return none, lost
		}
		released, err := l.m.release(ctx, l.claim)
		if err == nil && !released {
			return none, l.lose(l.whoHasIt(ctx))
		}
		l.m.line.wakeFirst()
		kind := Released
		if err != nil {
			kind = ReleaseFailed
		}
		l.m.observer(l.event(kind, now.Sub(l.granted), err))
		return none, err
	}
}
