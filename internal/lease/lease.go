package lease

import (
	"time"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/internal/deferred"
)

// Owner is the holder of a lease. Its methods are called on goroutines of their own, so that
// an owner that is slow delays no other lease.
type Owner interface {
	// Lost returns the error with which the fiber ends. Apply may have returned the loss before.
	Lost(*Loss) error
	// Failed reports that the store failed to answer a refresh at the time now, and whether
	// that is the first failure in a row. It returns how long to wait before another try,
	// or false to wait as long as between two refreshes.
	Failed(err error, now time.Time, first bool) (delay time.Duration, ok bool)
	// Denied reports that, according to the store, the lease is not held. The owner finds
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
	batch  *batch  // the last batch that it was in
	bucket *bucket // its bucket of the schedule, nil if it is in none
	index  int     // its position in the bucket
}

// Init makes l, which is new, the lease that was granted to a request sent at start.
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

// Stop ends the refreshing. The lease then expires unless it is released before.
func (l *Lease) Stop() { l.Apply(Term.Stop, time.Now()) }

// Apply applies an event that happens at the time now, and returns the loss, nil if there
// is none.
func (l *Lease) Apply(event func(t Term, now time.Duration) Term, now time.Time) *Loss {
	r := l.renewer
	r.mu.Lock()
	defer r.mu.Unlock()
	r.step(l, event(l.term, r.at(now)))
	r.arm()
	return l.term.Loss
}
