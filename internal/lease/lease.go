package lease

import (
	"time"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/internal/deferred"
)

// Owner is the holder of a lease. Each call of a method is on a goroutine of its own, so
// that a slow owner delays no other lease.
type Owner interface {
	// Lost returns the error with which the fiber ends. Apply may already have returned the loss.
	Lost(*Loss) error
	// Failed is called when the store has failed to answer a refresh, at the time now;
	// first is set for the first failure in a row. It returns how long to wait before
	// another try, or false to wait for one refresh interval.
	Failed(err error, now time.Time, first bool) (delay time.Duration, ok bool)
	// Denied is called when the store says that the lease is not held. The owner finds
	// out why, and applies Term.Lose.
	Denied()
}

// Lease is a lease that a [Renewer] keeps alive. Its methods may be called by several
// goroutines.
type Lease struct {
	Claim   backing.Claim
	Fiber   effect.Fiber[effect.Never] // ends when the lease is lost or no longer refreshed
	owner   Owner
	renewer *Renewer

	// The renewer's mutex guards the rest:
	term   Term
	batch  *batch  // the last batch it was in
	bucket *bucket // its bucket in the schedule, or nil
	index  int     // its position in the bucket
}

// Init makes l, which must be new, the lease that was granted to a request sent at start.
func (l *Lease) Init(r *Renewer, c backing.Claim, start time.Time, owner Owner) {
	l.Claim, l.owner, l.renewer = c, owner, r
	l.term.Deadline, l.term.Due = r.granted(r.at(start))
}

// Start keeps the lease alive until the scope closes. It fails with effect.ErrScopeClosed.
func (l *Lease) Start(s *effect.Scope) error {
	err := effect.StartDeferred(&l.Fiber, s, deferred.Owner{Stopper: l})
	if err == nil {
		l.enter()
	}
	return err
}

func (l *Lease) enter() {
	r := l.renewer
	r.mu.Lock()
	defer r.mu.Unlock()
	if l.term.State < Released { // else the scope has closed since the fiber was started
		r.schedule.move(l, l.term.Next())
		r.arm()
	}
}

// Stop ends the refreshing. The lease then expires unless it is released first.
func (l *Lease) Stop() { l.Apply(Term.Stop, time.Now()) }

// Apply applies an event that happens at the time now, and returns the loss, or nil if there
// is none.
func (l *Lease) Apply(event func(t Term, now time.Duration) Term, now time.Time) *Loss {
	r := l.renewer
	r.mu.Lock()
	defer r.mu.Unlock()
	r.step(l, event(l.term, r.at(now)))
	r.arm()
	return l.term.Loss
}
