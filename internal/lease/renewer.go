package lease

import (
	"sync"
	"time"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/internal/deferred"
)

// Renewer keeps leases alive. It has one timer for all of them. If the store is a
// backing.Batcher, one request refreshes all leases that are due at about the same time. A
// goroutine runs only while a request is under way.
//
// Each lease is scheduled for the moment when the clock next changes its term, which during
// a request is its deadline. It is therefore lost on time, whatever the store does, and takes
// no other lease with it.
type Renewer struct {
	Key
	batcher backing.Batcher // nil if the store refreshes leases one at a time
	timeout time.Duration   // of one request
	epoch   time.Time       // instants are durations since then

	mu       sync.Mutex
	schedule schedule
	timer    *time.Timer
	alarm    time.Duration // the instant at which the timer fires
}

// Key is what the leases of one renewer have in common.
type Key struct {
	Store         backing.Backing
	TTL, Interval time.Duration // Interval is the time between refreshes
}

// NewRenewer returns a renewer that gives up each of its requests after timeout.
func NewRenewer(k Key, batcher backing.Batcher, timeout time.Duration) *Renewer {
	return &Renewer{Key: k, batcher: batcher, timeout: timeout, epoch: time.Now(), schedule: schedule{at: map[time.Duration]*bucket{}}}
}

func (r *Renewer) at(t time.Time) time.Duration { return t.Sub(r.epoch) }

// granted returns the deadline of a lease that was granted to a request sent at start, and
// when its refresh is due: a little early, so that leases become due together.
func (r *Renewer) granted(start time.Duration) (deadline, due time.Duration) {
	return start + Validity(r.TTL), (start + r.Interval).Truncate(max(r.Interval/50, 1))
}

// step makes t the term of a lease, and does what the change of state requires. The caller
// must hold the mutex, and call arm before unlocking it.
func (r *Renewer) step(l *Lease, t Term) {
	was := l.term.State
	if l.term = t; t.State == was {
		return
	}
	if was == Renewing {
		l.batch.drop()
	}
	switch t.State {
	case Held, Retrying, Renewing:
		r.schedule.move(l, t.Next())
	case Unrefreshed: // the lease stays in the schedule: most are released at once
		effect.EndDeferred(&l.Fiber, deferred.End{})
	case Released, Lost:
		r.schedule.remove(l)
	case Stopping:
	}
	if t.State == Lost {
		go func() { effect.EndDeferred(&l.Fiber, deferred.End{Err: l.owner.Lost(t.Loss)}) }()
	}
}

// arm sets the timer for the first lease in the schedule. If the schedule is empty, it keeps
// the timer for the next lease, which is usually due later. A timer of a testing/synctest
// bubble is dropped instead: it never fires once the bubble has ended.
func (r *Renewer) arm() {
	first, now := r.schedule.first(), time.Now()
	fake := now == now.Round(0) //nolint:staticcheck // a bubble's time has no monotonic reading, which Equal ignores
	if r.timer != nil && (first == nil && fake || first != nil && first.due < r.alarm) {
		r.disarm()
	}
	if r.timer == nil && first != nil {
		r.alarm = first.due
		r.timer = time.AfterFunc(r.alarm-r.at(now), r.wake)
	}
}

func (r *Renewer) disarm() {
	r.timer.Stop()
	r.timer = nil
}

// wake sends batches for the leases that are due, and ends those whose deadline has passed.
func (r *Renewer) wake() {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.at(time.Now())
	for b := r.take(now); b != nil; b = r.take(now) {
		go r.send(b)
	}
	if r.timer != nil {
		r.disarm()
	}
	r.arm()
}
