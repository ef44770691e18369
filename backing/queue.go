package backing

import "context"

// Passer is the ability to hand a lock to its next holder in one step, where
// Release and TryAcquire would take two and let others in between.
type Passer interface {
	// Pass must, in one atomic step, take the key from the claim from and give it to
	// next, if from.Holder has it. That is a new grant, with a lease of next.TTL from
	// now, and the outcome is Granted. From has then released the key.
	//
	// If yield is true, and claimants wait in the [Queue] of the store, the first of
	// them must be given the key instead, and next waits behind the last: the outcome is
	// Queued. If next cannot be queued, because it cannot be woken or the store
	// has no queue, the key must be released, for those who poll: the outcome is
	// MustPoll.
	//
	// If from.Holder does not have the key, the outcome is Refused, and nothing must
	// change. The exception is a second Pass of the same grant to the same claimant,
	// because the reply to the first was lost. Its outcome must say what has become of
	// next: Granted if it has the key, Queued if it is in the queue, and MustPoll once it
	// has let go. It may be Refused when the first was long ago: see [Backing.Release].
	//
	// If next has been released already, Pass must do as Release does for from, and
	// the outcome is MustPoll.
	Pass(ctx context.Context, from Claim, next Waiter, yield bool) (Outcome, error)
}

// Queue is the ability of a store to keep the waiters for a key in line, and
// to wake the first of them when it has the key.
//
// In a store with a queue, a key that is released must go to the first claimant in
// its queue that can be woken, with a lease of its own. That lease may be shorter than
// the claim's TTL: a claimant that has died should not keep the others waiting. The
// store then wakes the claimant, which asks again and is granted the key.
//
// To be woken proves nothing. A wake-up may be late, come twice, or be about a key that
// another holder has by now, and no claimant must take it for a grant: only the outcome of
// an operation is one.
//
// Release must take a claimant that does not have the key out of the queue. TryAcquire
// stands in no line: it must still be given a key that is free.
type Queue interface {
	// Enqueue must give the key to w.Holder if it is free and nobody waits for it, or
	// if w.Holder has it already: the outcome is Granted, as with TryAcquire.
	//
	// Otherwise it must put the claimant at the end of the key's queue, and the
	// outcome is Queued; a claimant that is in it already must keep its place. If
	// the key is free, the first in the queue must be given it. A claimant that
	// cannot be woken at present must not be queued: the outcome is MustPoll.
	//
	// A claimant must ask again when it is woken, and at the latest when AskAgain has
	// passed: the store learns that it lives, and it learns what a lost
	// wake-up would have told it. One that leaves must call Release.
	//
	// Enqueue must answer Refused if the claim has been released already, as far as
	// the store remembers.
	Enqueue(ctx context.Context, w Waiter) (Outcome, error)
}

// Waiter is a claimant that waits.
type Waiter struct {
	Claim
	// Wake is called when the claimant should ask again now: it may have been given
	// the key, or a wake-up may have been lost. It may be called before the
	// call that queued the claimant returns, and for a claimant that has left. It must
	// return at once: the store calls it on a goroutine that others wait for.
	Wake func()
}
