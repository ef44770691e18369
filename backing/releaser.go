package backing

import "context"

// Releaser is the ability to report when a claim was released.
//
// A holder needs it to learn that somebody else has released the lock in its name:
// FreedEarlier as the answer to the first request that it sends.
//
// A store with this ability must not give the key to a claim that was released less than
// [ReleaseMemory] ago: the request is late. That holds if the release found nothing,
// too, for it may have overtaken the request. A store that knows which claims have a request
// without a reply need refuse those only. Release is the release of a claim without
// an Attempt.
type Releaser interface {
	// ReleaseClaim must do what Release does for c.Key and c.Holder, and report what
	// it found. FreedNow and FreedEarlier are Release's true, NotHeld is its false.
	// c.TTL has no meaning here.
	//
	// Like Release it frees what the holder has under another Attempt. But a second
	// ReleaseClaim of a claim with an Attempt must change nothing, for what the holder has
	// by then is from a later acquisition.
	ReleaseClaim(ctx context.Context, c Claim) (Released, error)
}

// Released is what a store found when it was asked to release a claim.
type Released uint8

const (
	// NotHeld means that the claimant did not have the key, and has not released it lately.
	NotHeld Released = iota
	// FreedEarlier means that the claimant did not have the key, because it was
	// released in its name before.
	FreedEarlier
	// FreedNow means that the claimant had the key until this release.
	FreedNow
)

func (r Released) String() string {
	switch r {
	case FreedNow:
		return "freed now"
	case FreedEarlier:
		return "freed earlier"
	default:
		return "not held"
	}
}
