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
	"github.com/effectlock/effectlock/schedule"
)

// errNotFree is how an attempt says that another holder has the lock.
var errNotFree = errors.New("another holder has the lock")

// request is a claim, and when it was made.
type request struct {
	backing.Claim
	arrived time.Time
}

// wait acquires the lock, for which it may have to wait.
func (m *Mutex) wait(ctx context.Context) (*lease, error) { return m.acquire(ctx, m.inTurn) }

// try acquires the lock if it is free, and else fails with errNotFree.
func (m *Mutex) try(ctx context.Context) (*lease, error) { return m.acquire(ctx, m.attempt) }

func (m *Mutex) acquire(ctx context.Context, how func(context.Context, request) (*lease, error)) (*lease, error) {
	if ctx.Err() != nil {
		return nil, effect.Interrupted(ctx, nil)
	}
	r := request{backing.Claim{Key: m.key, Holder: m.holderID, TTL: m.ttl}, time.Now()}
	if r.Holder == "" {
		r.Holder = rand.Text()
	}
	l, err := how(ctx, r)
	if err != nil {
		if ctx.Err() != nil {
			if errors.Is(err, errNotFree) {
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

// inTurn acquires the lock in turn with the other waiters of this process:
// only the first in line asks the store. It asks when it comes first, when a
// holder of this process lets go, and when its policy or that of one behind it
// says so.
func (m *Mutex) inTurn(ctx context.Context, r request) (*lease, error) {
	place := m.line.join()
	defer place.leave()

	var policy *schedule.Driver
	var poll time.Time // when the policy next says so
	for {
		if place.mayAsk() {
			if l, err := m.attempt(ctx, r); !errors.Is(err, errNotFree) {
				return l, err
			}
		}
		if policy == nil {
			policy = m.acquireRetry.Driver()
			m.observer(Event{Kind: Waiting, Key: m.key, Holder: r.Holder})
		}
		if now := time.Now(); !now.Before(poll) {
			refused := &LockNotAcquiredError{Key: m.key, Waited: now.Sub(r.arrived), nested: m.isHeldBy(ctx)}
			delay, ok := policy.Next(now, refused)
			place.hurry(delay)
			if !ok {
				return nil, refused
			}
			poll = now.Add(delay)
		}
		if err := place.sleepUntil(ctx, poll); err != nil {
			return nil, err
		}
	}
}

// attempt asks the store for the lock once; more often only if the store fails
// to answer. What it cannot use it gives back: an outcome that is unknown, also
// because of a panic, or a grant to a caller who has left.
func (m *Mutex) attempt(ctx context.Context, r request) (l *lease, err error) {
	settled := false
	defer func() {
		if !settled {
			err = m.giveBack(ctx, r, err)
		}
	}()
	var start time.Time
	answer, err := ask(ctx, m, "tryAcquire", func(ctx context.Context) (option.Option[backing.Grant], error) {
		start = time.Now()
		return m.store.TryAcquire(ctx, r.Claim)
	})
	grant, granted := option.Unwrap(answer)
	switch {
	case err != nil:
		return nil, err
	case !granted:
		settled = true
		return nil, errNotFree
	case ctx.Err() != nil:
		return nil, effect.Interrupted(ctx, nil)
	}
	settled = true
	return newLease(m, r, grant.Token, start, time.Now()), nil
}

// giveBack releases what an attempt that failed with err may have acquired.
func (m *Mutex) giveBack(ctx context.Context, r request, err error) error {
	cleaning, cancel := context.WithTimeout(context.WithoutCancel(ctx), effect.FinalizerTimeout)
	defer cancel()
	_, failed := m.release(cleaning, r.Claim)
	m.line.wakeFirst()
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
