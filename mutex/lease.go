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
	told     sync.Once
	ended    bool // released or about to be: it can no longer expire
	work     heldContext
	working  bool // there is work whose context must end with the lease

	failures *schedule.Driver // of the refreshes that failed in a row

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

// begin makes l the lease of what was granted.
func (l *lease) begin(m *Mutex, r request, g grant, now time.Time) *lease {
	l.m, l.claim, l.token = m, r.Claim, g.Token
	l.granted, l.waited = now, now.Sub(r.arrived)
	l.refresh = g.start.Add(m.refreshInterval)
	l.deadline = g.start.Add(validity(r.TTL))
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
// store's failures do not end a lease: its deadline does.
func (l *lease) failed(err error, f *flight, now time.Time) time.Time {
	if f.ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded) { // see storesOwn
		err = &effect.TimeoutError{Duration: now.Sub(f.start), Err: err}
	}
	l.m.observer(Event{Kind: BackingFailed, Key: l.m.key, Err: &MutexBackingError{Operation: "refresh", Key: l.m.key, Cause: err}})

	l.mu.Lock()
	defer l.mu.Unlock()
	l.failure = err
	if l.failures == nil {
		l.failures = l.m.failureRetry.Driver()
	}
	delay, ok := l.failures.Next(now, err)
	if !ok {
		l.failures, delay = nil, l.m.refreshInterval
	}
	// However long the policy would wait: the lease still has time for a try.
	left := l.deadline.Sub(now)
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

// look is lossBy for who asks the context of the work. The context package does so
// under mutexes of ours if the work holds another lock, so the observer is told beside.
func (l *lease) look(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lost != nil {
		return
	}
	if l.expire(now); l.lost != nil {
		go l.tell(l.lost)
	}
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

// update changes what is known of the lease, and returns its loss, which has been
// told by then, outside of the lease's mutex.
func (l *lease) update(change func()) *LockLostError {
	l.mu.Lock()
	change()
	lost := l.lost
	l.mu.Unlock()
	if lost != nil {
		l.tell(lost)
	}
	return lost
}

// tell lets those who wait for the lock, and who watches it, hear of its loss.
func (l *lease) tell(lost *LockLostError) {
	l.told.Do(func() {
		l.m.line.vacate(l.claim.Holder)
		l.m.observer(l.event(Lost, time.Since(l.granted), lost))
	})
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
	if l.working {
		l.work.end(l.lost)
	}
}

// whoHasIt finds the reason of a loss that the store has reported. It is asked
// briefly, for the work runs on meanwhile, and even if the lock is being let go.
func (l *lease) whoHasIt() (LossReason, error) {
	brief, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
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
	if failed, ok := errors.AsType[*MutexBackingError](err); ok {
		err = failed.Cause
	}
	return Gone, err
}

// end lets go of the lock when its scope closes. The keep-alive has been joined
// by then: nothing can refresh, and so resurrect, what is released here.
func (l *lease) end(effect.Exit[any]) effect.Effect[effect.Void] {
	return func(ctx context.Context) (none effect.Void, err error) {
		l.m.keeper.forget(l)
		now := time.Now()
		if lost := l.settle(now); lost != nil {
			// Others may have the lock already. What the store still has of
			// ours is freed if it answers; if not, the observer is told.
			_, _ = once(ctx, l.m, "release", l.m.releaseOnce(l.claim))
			l.m.line.freed()
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
		l.m.observer(l.event(kind, now.Sub(l.granted), err))
		return none, err
	}
}
