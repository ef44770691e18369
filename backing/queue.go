package backing

import "context"

// Passer is the ability to hand a lock to its next holder in one step. Release followed by
// TryAcquire would take two, and could let in another holder between them.
type Passer interface {
	// If from.Holder has the key, Pass must give it to next in one atomic step. That is a
	// new grant, with a lease of next.TTL from now, and the outcome is Granted. The claim
	// from is then released.
	//
	// If yield is true and claimants wait in the store's [Queue], the first of them must be
	// given the key instead, and next is queued behind the last: the outcome is Queued. If
	// next cannot be queued, because it cannot be woken or the store has no queue, the key
	// must be released so that claimants that poll can take it, and the outcome is
	// MustPoll.
	//
	// If from.Holder does not have the key, the outcome is Refused, and Pass must change
	// nothing. The exception is a second Pass of the same grant to the same claimant, made
	// because the reply to the first was lost. Its outcome must be the current state of
	// next: Granted if it has the key, Queued if it is in the queue, and MustPoll once it
	// has been released. It may be Refused if the first Pass was long ago: see
	// [Backing.Release].
	//
	// If next has already been released, Pass must do what Release does for from, and the
	// outcome is MustPoll.
	Pass(ctx context.Context, from Claim, next Waiter, yield bool) (Outcome, error)
}

// Queue is the ability to keep the waiters for a key in order, and to wake the first of
// them when the key is given to it.
//
// In a store with a queue, a key that is released must go to the first claimant in its
// queue that can be woken, with a lease of its own. That lease may be shorter than the
// claim's TTL, so that a claimant that has died does not keep the others waiting. The store
// then wakes the claimant, which asks again and is granted the key.
//
// A wake-up is not a grant. It may be late, come twice, or concern a key that another
// holder has by now: a claimant must rely on nothing but the outcome of an operation.
//
// Release must remove a claimant that does not have the key from the queue. TryAcquire
// bypasses the queue: it must succeed if the key is free, even if others wait.
type Queue interface {
	// Enqueue must give the key to w.Holder if it is free and nobody waits for it, or if
	// w.Holder already has it: the outcome is Granted, as with TryAcquire.
	//
	// Otherwise it must put the claimant at the end of the key's queue, and the outcome is
	// Queued; a claimant that is already in the queue must keep its place. If the key is
	// free, it must be given to the first in the queue. A claimant that cannot be woken at
	// present must not be queued: the outcome is MustPoll.
	//
	// A claimant must ask again when it is woken, and at the latest when AskAgain has
	// passed: that shows the store that it is alive, and makes up for a lost wake-up. A
	// claimant that stops waiting must call Release.
	//
	// If the claim has already been released, Enqueue must answer Refused, for as long as
	// the store remembers the release.
	Enqueue(ctx context.Context, w Waiter) (Outcome, error)
}

// Waiter is a claimant that can wait in a [Queue].
type Waiter struct {
	Claim
	// Wake is called when the claimant should ask again: it may have been given the key, or
	// an earlier wake-up may have been lost. It may be called before the call that queued
	// the claimant returns, and after the claimant has stopped waiting. It must return at
	// once, because other waiters need the goroutine that calls it.
	Wake func()
}
