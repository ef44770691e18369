package backing

import "time"

// Outcome is the answer to [Queue.Enqueue] and [Passer.Pass]: one of [Granted],
// [Queued], [MustPoll] and [Refused].
type Outcome interface{ outcome() }

// Granted means that the claimant has the key. Its lease runs from the moment at which
// the store applied the operation, as after TryAcquire.
type Granted struct{ Grant }

// Queued means that another holder has the key, and the claimant is in the queue.
type Queued struct {
	// AskAgain is how long the claimant may wait at most before it asks again. It
	// is more than 0.
	AskAgain time.Duration
}

// MustPoll means that the claimant neither has the key nor is in the queue. It asks
// again as its own policy says.
//
// A store may keep the place of a claimant that was queued before, for when it can be woken
// again: such a claimant calls Release when it leaves, as one in the queue does.
type MustPoll struct {
	// Why is the reason if there is more to say than that this store does not queue, or nil.
	Why error
}

// Refused means that nothing was changed. Enqueue gives it to a claim that has been
// released already, Pass to a holder that did not have the key.
type Refused struct{}

func (Granted) outcome()  {}
func (Queued) outcome()   {}
func (MustPoll) outcome() {}
func (Refused) outcome()  {}
