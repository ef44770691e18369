package mutex

import (
	"context"
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
func newLease(m *Mutex, claim backing.Claim, token uint64, start, now time.Time) *lease {
	l := &lease{m: m, claim: claim, token: token, granted: now, deadline: start.Add(validity(claim.TTL))}
	l.timer = time.AfterFunc(l.deadline.Sub(now), func() { _ = l.lossBy(time.Now()) })
	return l
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
			wait = max(delay, minPoll)
		case !ours:
			l.lose(l.whoHasIt(ctx))
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
	bounded, cancel := context.WithDeadline(ctx, l.until())
	defer cancel()
	ours, err := once(bounded, l.m, "refresh", func(ctx context.Context) (bool, error) {
		return l.m.store.Refresh(ctx, l.claim)
	})
	if err != nil && ctx.Err() == nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.failure = err
	}
	return ours, err
}

// extend moves the deadline after a refresh that was sent at start. An answer
// that comes after the deadline is too late: others may have had the lock.
func (l *lease) extend(start time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.expire(time.Now()); l.lost == nil {
		l.failure = nil
		l.deadline = start.Add(validity(l.claim.TTL))
		l.timer.Reset(time.Until(l.deadline))
	}
}

func (l *lease) until() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.deadline
}

// lossBy returns the loss of the lease, which it has suffered at the latest
// when its deadline has passed at the time now.
func (l *lease) lossBy(now time.Time) *LockLostError {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expire(now)
	return l.lost
}

func (l *lease) expire(now time.Time) {
	if !l.ended && !now.Before(l.deadline) {
		l.markLost(Expired, l.failure)
	}
}

func (l *lease) lose(reason LossReason, cause error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.markLost(reason, cause)
}

// markLost cancels the work. The caller holds l.mu.
func (l *lease) markLost(reason LossReason, cause error) {
	if l.lost != nil {
		return
	}
	l.lost = &LockLostError{Key: l.m.key, Holder: l.claim.Holder, Token: l.token, Reason: reason, Cause: cause}
	l.timer.Stop()
	if l.cancelWork != nil {
		l.cancelWork(l.lost)
	}
	l.m.line.wakeFirst()
	l.m.observer(Event{Kind: Lost, Key: l.m.key, Holder: l.claim.Holder, Token: l.token, Elapsed: time.Since(l.granted), Err: l.lost})
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

// whoHasIt finds the reason of a loss that the store has reported.
func (l *lease) whoHasIt(ctx context.Context) (LossReason, error) {
	holder, err := once(ctx, l.m, "getHolder", func(ctx context.Context) (option.Option[string], error) {
		return l.m.store.GetHolder(ctx, l.m.key)
	})
	if option.IsSome(holder) {
		return Taken, nil
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
			return none, lost
		}
		released, err := l.m.release(ctx, l.claim)
		if err == nil && !released {
			l.lose(l.whoHasIt(ctx))
			return none, l.lost
		}
		l.m.line.wakeFirst()
		ended := Event{Kind: Released, Key: l.m.key, Holder: l.claim.Holder, Token: l.token, Elapsed: now.Sub(l.granted)}
		if err != nil {
			ended.Kind, ended.Err = ReleaseFailed, err
		}
		l.m.observer(ended)
		return none, err
	}
}

// settle says whether the lease was lost by now, after which it cannot expire.
func (l *lease) settle(now time.Time) *LockLostError {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expire(now)
	l.ended = true
	l.timer.Stop()
	return l.lost
}
