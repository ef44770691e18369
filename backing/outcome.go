package backing

import "time"

// Outcome is the answer to [Queue.Enqueue] and [Passer.Pass]: one of [Granted],
// [Queued], [MustPoll] and [Refused].
type Outcome interface{ outcome() }

// Granted means that the claimant has the key. Its lease runs from the moment the store
// applied the operation, as after TryAcquire.
type Granted struct{ Grant }

// Queued means that another holder has the key, and the claimant is in the queue.
type Queued struct {
	// AskAgain is the longest time the claimant may wait before it asks again. It is
	// positive.
	AskAgain time.Duration
}

// MustPoll means that the claimant neither has the key nor is in the queue. The claimant asks
// again as its own policy says.
//
// A store may keep the place of a claimant that was queued before, until it can be woken
// again. Such a claimant calls Release when it stops waiting, as a queued one does.
type MustPoll struct {
	// Why is the reason. It is nil if the store simply has no queue.
	Why error
}

// Refused means that nothing was changed. Enqueue answers it for a claim that has already
// been released, Pass for a holder that did not have the key.
type Refused struct{}

func (Granted) outcome()  {}
func (Queued) outcome()   {}
func (MustPoll) outcome() {}
func (Refused) outcome()  {}
