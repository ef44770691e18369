package torture_test

import (
	"context"
	"sync"
	"time"

	"github.com/IBM/fp-go/v2/option"

	"github.com/effectlock/effectlock/backing"
)

// ledger is a store that records how long the leases of its process last, from the requests
// that win and extend them, and which requests got no answer. So the judge need not believe
// the lock's own account. Only an answer begins a lease: a waiter that is woken has won
// nothing yet.
//
// The lease is counted from a moment that is not before the lock's, and not after the
// server's: work that succeeds must have ended before the end that is recorded here, and
// the server must keep everybody else out until then.
type ledger struct {
	backing.Backing
	able    backing.Abilities
	process string
	journal *journal

	mu    sync.Mutex
	until map[string]instant // by holder
}

func newLedger(b backing.Backing, process string, j *journal) *ledger {
	return &ledger{Backing: b, able: backing.AbilitiesOf(b), process: process, journal: j, until: map[string]instant{}}
}

// Abilities returns those of the store below. Each passes through the ledger.
func (l *ledger) Abilities() backing.Abilities {
	a := backing.Abilities{Of: l}
	if l.able.Queue != nil {
		a.Queue = l
	}
	if l.able.Passer != nil {
		a.Passer = l
	}
	if l.able.Batcher != nil {
		a.Batcher = l
	}
	if l.able.Releaser != nil {
		a.Releaser = l
	}
	return a
}

// reliable is how much of a lease may be relied on. The lock promises to leave out one
// hundredth and up to a millisecond.
func reliable(lease time.Duration) time.Duration {
	return lease - lease/100 - min(lease/10, time.Millisecond)
}

// begins records that a lease was won. The answers to two requests may come in any order.
func (l *ledger) begins(c backing.Claim, start instant) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.until[c.Holder] = max(l.until[c.Holder], start.add(reliable(c.TTL)))
}

// goesOn records that a lease was extended, if the answer came before its end.
func (l *ledger) goesOn(c backing.Claim, start instant) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if until, ok := l.until[c.Holder]; ok && now() < until {
		l.until[c.Holder] = max(until, start.add(reliable(c.TTL)))
	}
}

func (l *ledger) end(holder string) instant {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.until[holder]
}

func (l *ledger) forget(holder string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.until, holder)
}

// answered records a request if it was not answered.
func (l *ledger) answered(key string, start instant, err error) {
	if err != nil {
		l.journal.add(line{Gap: &gap{l.process, key, span{start, now()}}})
	}
}

func (l *ledger) TryAcquire(ctx context.Context, c backing.Claim) (option.Option[backing.Grant], error) {
	start := now()
	grant, err := l.Backing.TryAcquire(ctx, c)
	l.answered(c.Key, start, err)
	if err == nil && option.IsSome(grant) {
		l.begins(c, start)
	}
	return grant, err
}

func (l *ledger) Enqueue(ctx context.Context, w backing.Waiter) (backing.Outcome, error) {
	start := now()
	outcome, err := l.able.Queue.Enqueue(ctx, w)
	l.asked(w.Claim, start, outcome, err)
	return outcome, err
}

func (l *ledger) Pass(ctx context.Context, from backing.Claim, next backing.Waiter, yield bool) (backing.Outcome, error) {
	start := now()
	outcome, err := l.able.Passer.Pass(ctx, from, next, yield)
	l.asked(next.Claim, start, outcome, err)
	return outcome, err
}

// asked records a request for the lock that may have been granted.
func (l *ledger) asked(c backing.Claim, start instant, o backing.Outcome, err error) {
	l.answered(c.Key, start, err)
	if _, granted := o.(backing.Granted); granted && err == nil {
		l.begins(c, start)
	}
}

func (l *ledger) Refresh(ctx context.Context, c backing.Claim) (bool, error) {
	start := now()
	held, err := l.Backing.Refresh(ctx, c)
	l.refreshed(c, start, backing.Refreshed{Held: held, Err: err})
	return held, err
}

func (l *ledger) RefreshAll(ctx context.Context, claims []backing.Claim) []backing.Refreshed {
	start := now()
	answers := l.able.Batcher.RefreshAll(ctx, claims)
	for i, a := range answers {
		l.refreshed(claims[i], start, a)
	}
	return answers
}

func (l *ledger) refreshed(c backing.Claim, start instant, a backing.Refreshed) {
	l.answered(c.Key, start, a.Err)
	if a.Held && a.Err == nil {
		l.goesOn(c, start)
	}
}

func (l *ledger) Release(ctx context.Context, key, holder string) (bool, error) {
	start := now()
	released, err := l.Backing.Release(ctx, key, holder)
	l.answered(key, start, err)
	return released, err
}

func (l *ledger) ReleaseClaim(ctx context.Context, c backing.Claim) (backing.Released, error) {
	start := now()
	released, err := l.able.Releaser.ReleaseClaim(ctx, c)
	l.answered(c.Key, start, err)
	return released, err
}
