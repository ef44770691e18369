package lease

import (
	"sync"
	"time"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/internal/deferred"
)

// Renewer keeps leases alive. It has one timer for all of them, and sends one request for
// the leases that are due at about the same time, if the store is a backing.Batcher. A
// goroutine runs only while a request is under way.
//
// Each lease is in the schedule at the moment at which the clock next changes its term. While
// its request is under way that is its deadline. So it is lost on time, whatever the store
// does, and no other lease with it.
type Renewer struct {
	Key
	batcher backing.Batcher // nil if the store refreshes one by one
	timeout time.Duration   // of one request
	epoch   time.Time       // an instant is the time since then

	mu       sync.Mutex
	schedule schedule
	timer    *time.Timer
	alarm    time.Duration // the instant at which the timer fires
}

// Key is what the leases of one renewer have in common.
type Key struct {
	Store         backing.Backing
	TTL, Interval time.Duration // Interval is the time between two refreshes
}

// NewRenewer makes a renewer. Each of its requests is given up after timeout.
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
// has locked the mutex, and calls arm before it unlocks it.
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

// arm sets the timer for the first lease in the schedule. If the schedule is empty, the timer
// is kept for the next lease, which is mostly due later. But the timer of a bubble of
// testing/synctest is dropped: when the bubble has ended, it never fires.
func (r *Renewer) arm() {
	first, now := r.schedule.first(), time.Now()
	fake := now == now.Round(0) //nolint:staticcheck // the time of a bubble has no monotonic reading, which Equal ignores
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

// wake sends a batch for the leases that are due, and ends those whose deadline has passed.
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
