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
	"github.com/effectlock/effectlock/internal/turn"
	"github.com/effectlock/effectlock/schedule"
)

// errNotFree is the error of an attempt that found the lock held.
var errNotFree = errors.New("another holder has the lock")

// isNotFree reports whether err is errNotFree and nothing else. If a clean-up's failure is
// joined to it, the caller must see that.
func isNotFree(err error) bool { return err == errNotFree } //nolint:errorlint // see above

// errReleased is the failure of a waiter that the store refuses: it would be refused again.
// That happens only if somebody else releases the claim, since a waiter that has released
// its own claim no longer asks. Waiting on under a new claim was rejected: the release may
// have been meant to end the wait.
var errReleased = backing.Permanent(errors.New("somebody else released this waiter's claim; acquire again to go on waiting"))

// wait acquires the lock in turn with the other waiters of this process.
func (m *Mutex) wait(ctx context.Context) (*lease, error) { return m.acquire(ctx, (*waiter).inTurn) }

// try acquires the lock if it is free, and otherwise fails with errNotFree.
func (m *Mutex) try(ctx context.Context) (*lease, error) { return m.acquire(ctx, (*waiter).tryOnce) }

func (m *Mutex) acquire(ctx context.Context, how func(*waiter, context.Context) (*lease, error)) (*lease, error) {
	if ctx.Err() != nil {
		return nil, effect.Interrupted(ctx, nil)
	}
	c := backing.Claim{Key: m.key, Holder: m.holderID, TTL: m.ttl}
	if c.Holder == "" {
		c.Holder = rand.Text()
	} else {
		c.Attempt = rand.Text()
	}
	w := m.newWaiter(c)
	bounded := ctx
	if m.acquireTimeout > 0 {
		var cancel context.CancelFunc
		bounded, cancel = context.WithTimeout(ctx, m.acquireTimeout)
		defer cancel()
	}
	l, err := w.acquire(bounded, how)
	switch {
	case err == nil:
		return l, nil
	case ctx.Err() != nil:
		if isNotFree(err) {
			err = nil
		}
		err = fmt.Errorf("while acquiring lock %q: %w", m.key, effect.Interrupted(ctx, err))
	case bounded.Err() != nil && errors.Is(err, context.DeadlineExceeded):
		err = w.outOfTime(err)
	}
	m.observe(ctx, Event{Kind: NotAcquired, Key: m.key, Holder: c.Holder, Elapsed: time.Since(w.arrived), Err: err})
	return nil, err
}

// slowAnswer is how long a request has no answer before the store counts as one that does not
// answer, though it has done so before.
const slowAnswer = 100 * time.Millisecond

// outOfTime is the failure of a waiter that failed with err because its AcquireTimeout was
// over. A failed clean-up is joined to it.
func (w *waiter) outOfTime(err error) error {
	late := error(&LockNotAcquiredError{Key: w.m.key, Waited: time.Since(w.arrived)})
	if !w.waits || !w.unanswered.IsZero() && time.Since(w.unanswered) > slowAnswer {
		late = &MutexBackingError{OperationTryAcquire, w.m.key, &effect.TimeoutError{Duration: w.m.acquireTimeout}}
	}
	for _, failure := range effect.Failures(err) {
		failed, ok := errors.AsType[*MutexBackingError](failure)
		switch {
		case ok && failed.Operation == OperationTryAcquire:
			late = failed
		case ok:
			late = errors.Join(late, failed)
		}
	}
	return late
}

// acquire acquires the lock in one of two ways. A clean-up of the same claimant could release
// what is acquired now, so acquire ends it first. If it then acquires nothing, it begins the
// clean-up again: the lock that was to be released may still be held.
func (w *waiter) acquire(ctx context.Context, how func(*waiter, context.Context) (*lease, error)) (l *lease, err error) {
	if w.m.holderID != "" {
		unreleased, err := w.m.cleaner.takeOver(ctx, claimantOf(w.claim))
		defer func() {
			if l == nil {
				for _, c := range unreleased {
					_ = w.m.beginCleanUp(ctx, c) // its failure is reported to the observer
				}
			}
		}()
		if err != nil {
			return nil, err
		}
	}
	defer func() {
		if l == nil && w.step(turn.Left).Do == turn.Undo {
			err = w.undo(ctx, err)
		}
	}()
	return how(w, ctx)
}

// tryOnce asks the store once.
func (w *waiter) tryOnce(ctx context.Context) (*lease, error) {
	if w.m.isHeldBy(ctx) {
		return nil, errNotFree
	}
	w.step(turn.Try)
	if err := w.ask(ctx, w.tryAcquire); err != nil {
		return nil, err
	}
	if do, _, _ := w.next(); do == turn.Accept {
		if l, err := w.accept(ctx); l != nil || err != nil {
			return l, err
		}
	}
	return nil, errNotFree
}

// tryAcquire is the store's TryAcquire, with its answer as an Outcome.
func (w *waiter) tryAcquire(ctx context.Context) (backing.Outcome, error) {
	g, err := w.m.store.TryAcquire(ctx, w.claim)
	if grant, granted := option.Unwrap(g); granted {
		return backing.Granted{Grant: grant}, err
	}
	return backing.MustPoll{}, err
}

// enqueue asks the store for the lock, and to wake this waiter when it should ask again.
func (w *waiter) enqueue(ctx context.Context) (backing.Outcome, error) {
	if w.m.queue != nil {
		return w.m.queue.Enqueue(ctx, w.backing())
	}
	return w.tryAcquire(ctx)
}

// inTurn waits in line. It does what package turn says, and consults the retry policy about
// when to poll and how long to wait.
func (w *waiter) inTurn(ctx context.Context) (*lease, error) {
	if w.m.isHeldBy(ctx) {
		return nil, &ReentrantError{Key: w.m.key}
	}
	var policy *schedule.Driver
	var poll time.Time // when to ask the policy next
	w.step(turn.Join)
	for {
		do, until, polls := w.next()
		switch do {
		case turn.Ask:
			if err := w.ask(ctx, w.enqueue); err != nil {
				return nil, err
			}
			continue
		case turn.Accept:
			if l, err := w.accept(ctx); l != nil || err != nil {
				return l, err
			}
			continue
		case turn.Nothing, turn.Sleep, turn.Pass, turn.Release, turn.Undo: // the last three are never for a waiter
		}
		if policy == nil {
			policy, w.waits = w.m.acquireRetry.Driver(), true
			w.m.observe(ctx, Event{Kind: Waiting, Key: w.m.key, Holder: w.claim.Holder})
		}
		if polls || !w.m.patient {
			if now := time.Now(); !now.Before(poll) {
				refused := &LockNotAcquiredError{Key: w.m.key, Waited: now.Sub(w.arrived)}
				every, ok := policy.Next(now, refused)
				w.m.waitQueue.step(turn.Event{Kind: turn.PollFor, Waiter: &w.Waiter, Every: every})
				if !ok {
					return nil, refused
				}
				poll = now.Add(every)
			}
			if until.IsZero() || poll.Before(until) {
				until = poll
			}
		}
		if err := w.sleep(ctx, until); err != nil {
			return nil, err
		}
		w.report(time.Now(), until, poll)
	}
}

// report reports to package turn which of the two times have come.
func (w *waiter) report(now, until, poll time.Time) {
	if until.IsZero() || now.Before(until) {
		return // it was woken
	}
	w.step(turn.Due)
	if !poll.IsZero() && !now.Before(poll) {
		w.step(turn.PolicyDue)
	}
}

// ask sends a request for the lock, and sends it again if the store fails to answer. It
// reports each request and its outcome to package turn.
func (w *waiter) ask(ctx context.Context, request effect.Effect[backing.Outcome]) error {
	tries := 0
	_, err := ask(ctx, w.m, OperationTryAcquire, func(ctx context.Context) (none effect.Void, err error) {
		if tries++; tries > 1 {
			w.step(turn.Retried)
		}
		start := time.Now()
		w.unanswered = start
		outcome, err := request(ctx)
		granted, isGranted := outcome.(backing.Granted)
		if took := time.Since(start); err == nil && isGranted && took >= leases.Validity(w.claim.TTL) {
			err = &effect.TimeoutError{Duration: took} // the lease is over already
		}
		if err != nil {
			w.m.waitQueue.step(turn.Event{Kind: turn.Failed, Waiter: &w.Waiter, NotSent: backing.IsNotSent(err)})
			return none, err
		}
		w.grant, w.unanswered = grant{granted.Grant, start}, time.Time{}
		w.reportAnswer(ctx, outcome)
		if _, refused := outcome.(backing.Refused); refused {
			err = errReleased
		}
		return none, err
	})
	return err
}

// reportAnswer reports the store's answer to package turn. If waiters must poll from now on, and
// did not have to before, it calls the observer with the reason.
func (w *waiter) reportAnswer(ctx context.Context, o backing.Outcome) {
	q := w.m.waitQueue
	before := q.isUnqueued()
	q.step(turn.Event{Kind: turn.Answered, Waiter: &w.Waiter, Outcome: o})
	if poll, must := o.(backing.MustPoll); must && poll.Why != nil && !before {
		w.m.observe(ctx, Event{Kind: Polling, Key: w.m.key, Err: poll.Why})
	}
}

// accept turns the grant into a lease. It returns nil if that lease is over already: the
// waiter then asks again.
func (w *waiter) accept(ctx context.Context) (*lease, error) {
	if ctx.Err() != nil {
		return nil, effect.Interrupted(ctx, nil)
	}
	now := time.Now()
	if now.Sub(w.grant.start) >= leases.Validity(w.claim.TTL) {
		w.step(turn.Declined)
		return nil, nil
	}
	w.step(turn.Accepted)
	return w.lease.begin(ctx, w, now), nil
}

// undo releases what the waiter, which failed with err, may have acquired, and takes it out
// of the store's queue.
func (w *waiter) undo(ctx context.Context, err error) error {
	failed := w.m.cleanUp(ctx, w.claim)
	if failed == nil || backing.IsPermanent(err) { // a store that refuses for good refuses the release as well
		return err
	}
	return errors.Join(err, failed)
}

// isHeldBy reports whether ctx is the context of work that runs under this lock: such work
// would wait for itself. It reports false if the lease or the work has ended, or if both use
// the same configured id: to the store they are one holder.
func (m *Mutex) isHeldBy(ctx context.Context) bool {
	k, ok := ctx.Value(holdOf{m.waitQueue}).(*KeepAlive)
	return ok && !k.lease.work.isOver() && (m.holderID == "" || m.holderID != k.HolderID())
}
