package mutex

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/IBM/fp-go/v2/option"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/effect"
	leases "github.com/effectlock/effectlock/internal/lease"
	"github.com/effectlock/effectlock/schedule"
)

// errNotFree is how an attempt says that another holder has the lock.
var errNotFree = errors.New("another holder has the lock")

// isNotFree reports whether err is errNotFree and nothing else. If the failure to undo an
// attempt is joined to it, the caller must get that.
func isNotFree(err error) bool { return err == errNotFree } //nolint:errorlint // see above

// errReleased is why a waiter fails that the store refuses, which it would do again
// and again. This does not happen unless somebody else releases the claim, for a waiter
// that has released its claim asks no more. To wait on under a new claim was rejected:
// whoever released this one may have meant to end the wait.
var errReleased = backing.Permanent(errors.New("somebody else has released the claim of this waiter"))

// request is a claim, and when it was made.
type request struct {
	backing.Claim
	arrived time.Time
}

// wait acquires the lock, for which it may have to wait.
func (m *Mutex) wait(ctx context.Context) (*lease, error) { return m.acquire(ctx, m.inTurn) }

// try acquires the lock if it is free, and else fails with errNotFree.
func (m *Mutex) try(ctx context.Context) (*lease, error) { return m.acquire(ctx, m.once) }

func (m *Mutex) acquire(ctx context.Context, how func(context.Context, request) (*lease, error)) (*lease, error) {
	if ctx.Err() != nil {
		return nil, effect.Interrupted(ctx, nil)
	}
	r := request{backing.Claim{Key: m.key, Holder: m.holderID, TTL: m.ttl}, time.Now()}
	if r.Holder == "" {
		r.Holder = rand.Text()
	} else {
		r.Attempt = rand.Text()
	}
	l, err := m.start(ctx, r, how)
	if err != nil {
		if ctx.Err() != nil {
			if isNotFree(err) {
				err = nil
			}
			err = effect.Interrupted(ctx, err)
			err = fmt.Errorf("while acquiring lock %q%s: %w", m.key, m.nestedHint(ctx), err)
		}
		m.observer(Event{Kind: NotAcquired, Key: m.key, Holder: r.Holder, Elapsed: time.Since(r.arrived), Err: err})
		return nil, err
	}
	return l, nil
}

// start acquires the lock in one of two ways. A clean-up of the same claim could release
// what is acquired now, so start ends it first, and begins it again if nothing is acquired:
// what it was to release may still be held.
func (m *Mutex) start(ctx context.Context, r request, how func(context.Context, request) (*lease, error)) (l *lease, err error) {
	if m.holderID == "" {
		return how(ctx, r)
	}
	left, err := m.cleaner.takeOver(ctx, claimantOf(r.Claim))
	defer func() {
		if l == nil {
			for _, c := range left {
				_ = m.beginCleanUp(ctx, c) // its failure is reported to the observer
			}
		}
	}()
	if err != nil {
		return nil, err
	}
	return how(ctx, r)
}

// once asks the store a single time.
func (m *Mutex) once(ctx context.Context, r request) (l *lease, err error) {
	settled := false
	defer func() {
		if !settled {
			err = m.giveBack(ctx, r, err)
		}
	}()
	l, answer, err := m.attempt(ctx, r, &lease{}, func(ctx context.Context) (backing.Outcome, error) { return m.tryAcquire(ctx, r.Claim) })
	settled = l != nil || !answer.doubtful
	if err == nil && l == nil {
		err = errNotFree
	}
	return l, err
}

// tryAcquire is TryAcquire, with the outcome that it has for one who waits.
func (m *Mutex) tryAcquire(ctx context.Context, c backing.Claim) (backing.Outcome, error) {
	g, err := m.store.TryAcquire(ctx, c)
	if grant, granted := option.Unwrap(g); granted {
		return backing.Granted{Grant: grant}, err
	}
	return backing.MustPoll{}, err
}

// inTurn acquires the lock in turn with the other waiters of this process. The
// first in line asks the store, which queues it and wakes it when it should ask
// again. A store that does not do that is asked again when the policy of the
// first in line, or that of one behind it, says so.
func (m *Mutex) inTurn(ctx context.Context, r request) (l *lease, err error) {
	place := m.line.join(m, r.Claim)
	defer func() {
		if known := place.leave(l != nil); known && l == nil {
			err = m.giveBack(ctx, r, err)
		}
	}()
	var policy *schedule.Driver
	var poll time.Time // when the policy next says so
	for {
		if g := place.takeGrant(); g != nil {
			if l, err := m.accept(ctx, r, &place.lease, *g); l != nil || err != nil {
				return l, err
			}
			place.askNow()
		}
		if now := time.Now(); place.mayAsk(now, policy != nil && !now.Before(poll)) {
			l, answer, err := m.attempt(ctx, r, &place.lease, place.enqueue)
			if err != nil && !answer.doubtful {
				place.unsent()
			}
			if l != nil || err != nil {
				return l, err
			}
			if why := place.notGranted(answer, time.Now()); why != nil {
				m.observer(Event{Kind: Polling, Key: m.key, Err: why})
			}
		}
		if policy == nil {
			policy = m.acquireRetry.Driver()
			m.observer(Event{Kind: Waiting, Key: m.key, Holder: r.Holder})
		}
		alarm, polls := place.alarm()
		if polls || !m.patient {
			if now := time.Now(); !now.Before(poll) {
				refused := &LockNotAcquiredError{Key: m.key, Waited: now.Sub(r.arrived), nested: m.isHeldBy(ctx)}
				delay, ok := policy.Next(now, refused)
				place.hurry(delay)
				if !ok {
					return nil, refused
				}
				poll = now.Add(delay)
			}
			if alarm.IsZero() || poll.Before(alarm) {
				alarm = poll
			}
		}
		if err := place.sleepUntil(ctx, alarm); err != nil {
			return nil, err
		}
	}
}

// answer is what the store said to an attempt.
type answer struct {
	outcome  backing.Outcome
	doubtful bool // whether an attempt without an answer may be applied, or a grant was not used
}

// attempt asks the store for the lock, and makes l its lease; it asks more than
// once only if the store fails to answer. It yields no lease if the lock is not free.
// If it fails, nothing has changed unless the answer is doubtful.
func (m *Mutex) attempt(ctx context.Context, r request, l *lease, how effect.Effect[backing.Outcome]) (*lease, answer, error) {
	var start time.Time
	received := 0 // how many requests the store may have received
	outcome, err := ask(ctx, m, "tryAcquire", func(ctx context.Context) (backing.Outcome, error) {
		start = time.Now()
		received++
		outcome, err := how(ctx)
		if backing.IsNotSent(err) {
			received--
		}
		switch outcome.(type) {
		case backing.Refused:
			if err == nil {
				err = errReleased
			}
		case backing.Granted:
			// A grant that comes when its lease has ended is not one: ask again.
			if took := time.Since(start); err == nil && took >= leases.Validity(r.TTL) {
				err = &effect.TimeoutError{Duration: took}
			}
		}
		return outcome, err
	})
	a := answer{outcome, received > 1 || received > 0 && err != nil}
	granted, ok := outcome.(backing.Granted)
	switch {
	case err != nil || !ok:
		return nil, a, err
	case ctx.Err() != nil:
		a.doubtful = true
		return nil, a, effect.Interrupted(ctx, nil)
	}
	m.line.occupy(r.Holder)
	return l.begin(m, r, grant{granted.Grant, start}, time.Now()), a, nil
}

// accept makes l the lease of what a holder of this process passed to a waiter. It
// returns nil if more than half of the lease has elapsed: the waiter then asks the
// store, which renews it.
func (m *Mutex) accept(ctx context.Context, r request, l *lease, g grant) (*lease, error) {
	if ctx.Err() != nil {
		return nil, effect.Interrupted(ctx, nil)
	}
	now := time.Now()
	if now.Sub(g.start) > r.TTL/2 {
		return nil, nil
	}
	return l.begin(m, r, g, now), nil
}

// giveBack releases what a claimant that failed with err may have acquired,
// and takes it out of the store's queue.
func (m *Mutex) giveBack(ctx context.Context, r request, err error) error {
	failed := m.cleanUp(ctx, r.Claim)
	if failed == nil || backing.IsPermanent(err) { // a store that refuses us refuses whatever we ask
		return err
	}
	return errors.Join(err, failed)
}

// isHeldBy reports whether ctx is that of work which runs under this lock.
func (m *Mutex) isHeldBy(ctx context.Context) bool {
	k, ok := FromContext(ctx)
	return ok && k.lease.m.line == m.line
}

func (m *Mutex) nestedHint(ctx context.Context) string {
	if m.isHeldBy(ctx) {
		return ", which the caller's own work has and which is not reentrant"
	}
	return ""
}
