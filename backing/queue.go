package backing

import (
	"context"
	"time"

	"github.com/IBM/fp-go/v2/option"
)

// Passer is the ability to hand a lock to its next holder in one step, where
// Release and TryAcquire would take two and let others in between.
type Passer interface {
	// Pass must, in one atomic step, take the key from the holder from and give
	// it to next.Holder, if from has it. That is a new grant, with a lease of
	// next.TTL from now. The answer is true and a Standing with the grant. By that
	// from has released the key.
	//
	// A second Pass of the same key to the same claimant must answer as the first
	// one did as long as that claimant has the key: a client whose reply was lost
	// asks again. If the claimant has let go since, the answer must be true without a
	// grant, as long as the lease that was passed on would have run.
	//
	// If from has neither the key, nor let go of it in a lease that would still run,
	// Pass must answer false and change nothing, though the claimant may have the key
	// from another.
	//
	// If yield is true, and claimants wait in the [Queue] of the store, the first
	// of them must have the key instead, and next waits behind the last. The answer
	// is then true and a Standing without a grant. If next cannot be queued, because
	// nothing can be told to it or the store has no queue, those who poll come
	// first: the key must be released, with the same answer, and next polls.
	Pass(ctx context.Context, from string, next Waiter, yield bool) (bool, Standing, error)
}

// Queue is the ability of a store to keep those who wait for a key in line, and
// to tell the first of them when it has the key.
//
// In a store with a queue, a key that Release frees must go to the first
// claimant in its queue that can be told, under a new grant. Release must take
// a claimant that does not have the key out of the queue. TryAcquire stands in
// no line: it must still be given a key that is free.
type Queue interface {
	// Enqueue must do as TryAcquire does if the key is free and nobody waits for
	// it, and if w.Holder has it already.
	//
	// Otherwise it must put the claimant at the end of the key's queue; one that
	// is in it already must keep its place. If the key is free, the first in the
	// queue must be given it. If nothing can be told to the claimant at present,
	// it must not be queued: the answer says so, and why.
	//
	// A claimant must ask again whenever AskAgain has passed: by that the store
	// sees that it lives, and it finds out what it was not told. One that leaves
	// must call Release.
	Enqueue(ctx context.Context, w Waiter) (Standing, error)
}

// Waiter is a claimant that waits.
type Waiter struct {
	Claim
	// Granted is called when the claimant has been given the key, at most once
	// for each grant, and perhaps before the call that queued it returns. It may be
	// called for a claimant that has left, and must return at once: the
	// backing calls it on a goroutine that others wait for.
	Granted func(Handed)
	// Retry is called when the claimant should ask again now: what it should have
	// been told may have been lost. It must return at once.
	Retry func()
}

// Handed is a grant that the claimant did not ask for at that moment.
type Handed struct {
	Grant
	// Start is a moment, on this process's monotonic clock, before which the lease
	// did not begin. It is not after the call of Granted.
	Start time.Time
	// Lease is how long the lease runs from Start. It may be shorter than the
	// claim's TTL, and must not be longer: a claimant that was granted the key but
	// died should not keep the others waiting. The first Refresh makes it TTL.
	Lease time.Duration
}

// Standing is how a claimant stands in the queue of a store.
type Standing struct {
	// Grant is Some if the claimant has the key. The lease runs from the moment
	// of the operation, as after TryAcquire.
	Grant option.Option[Grant]
	// AskAgain is when a claimant without a grant should ask again at the latest.
	// 0 means that it is not in the queue and is told nothing: it must poll.
	AskAgain time.Duration
	// NotQueued is why it is not in the queue, if there is more to say than that
	// this backing does not queue.
	NotQueued error
}
