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
	refresh time.Time     // when the first one is due
	fiber   effect.Hosted[effect.Never]
	handle  KeepAlive

	mu       sync.Mutex
	deadline time.Time // by which the lease must have been refreshed
	failure  error     // what the last refresh failed with, nil if it succeeded
	lost     *LockLostError
	ended    bool // released or about to be: it can no longer expire
	work     heldContext
	working  bool // there is work whose context must end with the lease

	events   events
	failures *schedule.Driver // of the refreshes that failed in a row; owned by the flight

	// Under the keeper's mutex: in its rosters or on a flight, or neither.
	in         *shift
	prev, next *lease
	flight     *flight
	stopping   bool
}

// validity is how long after the start of a request the lease that it won may
// be relied on. It is a little less than the TTL: 1 % for clocks that run at
// different rates, as Redlock allows, and up to 1 ms for a timer that is late.
func validity(ttl time.Duration) time.Duration {
	return ttl - ttl/100 - min(ttl/10, time.Millisecond)
}

// begin makes l the lease of what the waiter was granted.
func (l *lease) begin(w *waiter, now time.Time) *lease {
	l.m, l.claim, l.token = w.m, w.claim, w.grant.Token
	l.granted, l.waited = now, now.Sub(w.arrived)
	l.refresh = w.grant.start.Add(w.m.refreshInterval)
	l.deadline = w.grant.start.Add(validity(w.claim.TTL))
	return l
}

// keepAlive has the lease refreshed until it is lost or its fiber interrupted.
func (l *lease) keepAlive(s *effect.Scope) error {
	if err := l.fiber.Start(s, l); err != nil {
		return err
	}
	due := l.refresh
	if until := l.until(); until.Before(due) {
		due = until
	}
	l.m.keeper.keep(l, due)
	return nil
}

// Stop implements effect.Host.
func (l *lease) Stop() { l.m.keeper.stop(l) }

func (l *lease) event(kind EventKind, elapsed time.Duration, err error) Event {
	return Event{Kind: kind, Key: l.m.key, Holder: l.claim.Holder, Token: l.token, Elapsed: elapsed, Err: err}
}

// failed notes that a refresh failed, and returns when to try again. The
// store's failures do not end a lease: its deadline does. The policy may run code of the
// user, so failed is called without a mutex, and where no other lease waits for it.
func (l *lease) failed(err error, f *flight, now time.Time) time.Time {
	if f.ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded) { // see storesOwn
		err = &effect.TimeoutError{Duration: now.Sub(f.start), Err: err}
	}
	_ = l.update(func() {
		l.failure = err
		l.backingFailed(&MutexBackingError{Operation: "refresh", Key: l.m.key, Cause: err})
	})
	if l.failures == nil {
		l.failures = l.m.failureRetry.Driver()
	}
	delay, ok := l.failures.Next(now, err)
	if !ok {
		l.failures, delay = nil, l.m.refreshInterval
	}
	// However long the policy would wait: the lease still has time for a try.
	left := l.until().Sub(now)
	return now.Add(min(delay, max(left/2, time.Millisecond), left))
}

// extend moves the deadline after a refresh that was sent at start and answered
// at now. An answer that comes after the deadline is too late: others may have had
// the lock.
func (l *lease) extend(start, now time.Time) *LockLostError {
	return l.update(func() {
		if l.expire(now); l.lost == nil {
			l.failure, l.failures = nil, nil
			l.deadline = start.Add(validity(l.claim.TTL))
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
	})
}

func (l *lease) lose(reason LossReason, cause error) *LockLostError {
	return l.update(func() { l.markLost(reason, cause) })
}

// cancelOnLoss has the context of the work end when the lease is lost.
func (l *lease) cancelOnLoss() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.working = true
	if l.lost != nil {
		l.work.end(l.lost)
	}
}

// update changes what is known of the lease, and returns its loss.
func (l *lease) update(change func()) *LockLostError {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
	return l.lost
}

// expire, markLost and backingFailed must be called from within update.
func (l *lease) expire(now time.Time) {
	if !l.ended && !now.Before(l.deadline) {
		l.markLost(Expired, l.failure)
	}
}

// markLost ends the work's context and lets the next in line ask the store, both at once.
// It does not call the observer: other leases may wait for this goroutine, and one that
// looks at the context of a nested lock may hold mutexes of this package.
func (l *lease) markLost(reason LossReason, cause error) {
	if l.lost != nil {
		return
	}
	l.lost = &LockLostError{Key: l.m.key, Holder: l.claim.Holder, Token: l.token, Reason: reason, Cause: cause}
	if l.working {
		l.work.end(l.lost)
	}
	l.m.waitQueue.freed(l.claim.Holder)
	l.post(l.event(Lost, time.Since(l.granted), l.lost))
}

// backingFailed reports the failure of a request in the background. Nothing is reported
// after the loss.
func (l *lease) backingFailed(err error) {
	if l.lost == nil {
		l.post(Event{Kind: BackingFailed, Key: l.m.key, Err: err})
	}
}

// whoHasIt finds the reason of a loss that the store has reported. It is asked
// briefly, for the work runs on meanwhile, and even if the lock is being let go.
func (l *lease) whoHasIt() (LossReason, error) {
	brief, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	holder, err := send(brief, l.m, "getHolder", func(ctx context.Context) (option.Option[string], error) {
		return l.m.store.GetHolder(ctx, l.m.key)
	})
	switch {
	case option.IsSome(holder):
		return Taken, nil
	case brief.Err() != nil:
		return Gone, nil // as far as we know
	case err != nil:
		_ = l.update(func() { l.backingFailed(err) })
	}
	if failed, ok := errors.AsType[*MutexBackingError](err); ok {
		err = failed.Cause
	}
	return Gone, err
}

// end lets go of the lock when its scope closes. The keep-alive has been joined
// by then: nothing can refresh, and so resurrect, what is released here. When the
// store has answered, the end waits for the observer.
func (l *lease) end(effect.Exit[any]) effect.Effect[effect.Void] {
	return func(ctx context.Context) (none effect.Void, err error) {
		defer l.awaitDelivered()
		l.m.keeper.forget(l)
		now := time.Now()
		if lost := l.settle(now); lost != nil {
			// Others may have the lock already. What the store still has of ours
			// is released. A failure of that is reported after the loss.
			_, err := send(ctx, l.m, "release", l.m.releaseOnce(l.claim))
			l.m.waitQueue.freed(l.claim.Holder)
			l.awaitDelivered()
			l.m.observeFailure(err)
			return none, lost
		}
		released, err := l.m.letGo(ctx, l.claim)
		kind := Released
		switch {
		case err != nil:
			kind = ReleaseFailed
		case released == backing.FreedEarlier:
			return none, l.lose(Gone, nil) // whoever has it now did not take it from us
		case released == backing.NotHeld:
			return none, l.lose(l.whoHasIt())
		}
		l.conclude(l.event(kind, now.Sub(l.granted), err))
		return none, err
	}
}
