package backing

import "context"

// Releaser is the ability to report whether a claim had been released before.
//
// It shows a holder that another caller has released the lock in the holder's name: the
// holder's own first release is then answered with FreedEarlier.
//
// A store with this ability must not give the key to a claim that was released less than
// [ReleaseMemory] ago: the request is late. This also holds if the release found nothing,
// because it may have overtaken the request. A store that knows which claims have an
// unanswered request need refuse only those. Release counts as the release of a claim
// without an Attempt.
type Releaser interface {
	// ReleaseClaim must do what Release does for c.Key and c.Holder, and report what it
	// found. FreedNow and FreedEarlier correspond to true, NotHeld to false. c.TTL is
	// ignored.
	//
	// Like Release, it frees a key that the holder has under another Attempt. But a second
	// ReleaseClaim of a claim with an Attempt must change nothing: what the holder has by
	// then is from a later acquisition.
	ReleaseClaim(ctx context.Context, c Claim) (Released, error)
}

// Released is what a release found.
type Released uint8

const (
	// NotHeld means that the claimant did not have the key, and has not released it
	// recently.
	NotHeld Released = iota
	// FreedEarlier means that the claimant did not have the key, because it had already
	// been released in its name.
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
