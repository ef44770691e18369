package histories_test

import (
	"context"
	"sync"
	"time"

	"github.com/IBM/fp-go/v2/option"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/redis"
)

// ledger is a store that writes down how long the leases of its process last, from
// the requests that win and prolong them, and which requests had no answer. So the
// check does not have to believe what the lock itself makes of that.
//
// A lease is counted from a moment that is not before the one from which the lock
// counts it, and not after the server does: work that succeeds must have ended
// before the end that is noted here, and the server must keep everybody else off
// until then.
type ledger struct {
	*redis.Backing
	log *log

	mu    sync.Mutex
	until map[string]instant // by holder
}

func newLedger(b *redis.Backing, l *log) *ledger {
	return &ledger{Backing: b, log: l, until: map[string]instant{}}
}

// reliable is how much of a lease may be relied on. The lock promises to leave out
// one hundredth and up to a millisecond.
func reliable(lease time.Duration) time.Duration {
	return lease - lease/100 - min(lease/10, time.Millisecond)
}

// begins notes that a lease was won. It may be told the same twice, in any order.
func (l *ledger) begins(holder string, start instant, lease time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.until[holder] = max(l.until[holder], start.add(reliable(lease)))
}

// goesOn notes that a lease was prolonged, if the answer came before its end.
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

// heard notes that a request was not answered.
func (l *ledger) heard(key string, start instant, err error) {
	if err != nil {
		l.log.add(line{Kind: "gap", Key: key, From: start, At: now()})
	}
}

func (l *ledger) granted(c backing.Claim, start instant, g option.Option[backing.Grant]) {
	if option.IsSome(g) {
		l.begins(c.Holder, start, c.TTL)
	}
}

func (l *ledger) TryAcquire(ctx context.Context, c backing.Claim) (option.Option[backing.Grant], error) {
	start := now()
	grant, err := l.Backing.TryAcquire(ctx, c)
	l.heard(c.Key, start, err)
	l.granted(c, start, grant)
	return grant, err
}

func (l *ledger) Enqueue(ctx context.Context, w backing.Waiter) (backing.Standing, error) {
	start := now()
	standing, err := l.Backing.Enqueue(ctx, l.told(w))
	l.heard(w.Key, start, err)
	l.granted(w.Claim, start, standing.Grant)
	return standing, err
}

func (l *ledger) Pass(ctx context.Context, from string, next backing.Waiter, yield bool) (bool, backing.Standing, error) {
	start := now()
	had, standing, err := l.Backing.Pass(ctx, from, l.told(next), yield)
	l.heard(next.Key, start, err)
	l.granted(next.Claim, start, standing.Grant)
	return had, standing, err
}

// told notes what a waiter is told, before the waiter.
func (l *ledger) told(w backing.Waiter) backing.Waiter {
	granted := w.Granted
	w.Granted = func(h backing.Handed) {
		l.begins(w.Holder, at(h.Start), h.Lease)
		granted(h)
	}
	return w
}

func (l *ledger) Refresh(ctx context.Context, c backing.Claim) (bool, error) {
	start := now()
	held, err := l.Backing.Refresh(ctx, c)
	l.refreshed(c, start, backing.Refreshed{Held: held, Err: err})
	return held, err
}

func (l *ledger) RefreshAll(ctx context.Context, claims []backing.Claim) []backing.Refreshed {
	start := now()
	answers := l.Backing.RefreshAll(ctx, claims)
	for i, a := range answers {
		l.refreshed(claims[i], start, a)
	}
	return answers
}

func (l *ledger) refreshed(c backing.Claim, start instant, a backing.Refreshed) {
	l.heard(c.Key, start, a.Err)
	if a.Held && a.Err == nil {
		l.goesOn(c, start)
	}
}

func (l *ledger) Release(ctx context.Context, key, holder string) (bool, error) {
	start := now()
	released, err := l.Backing.Release(ctx, key, holder)
	l.heard(key, start, err)
	return released, err
}
