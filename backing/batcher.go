package backing

import "context"

// Batcher is the ability to refresh many leases in one request or a few.
type Batcher interface {
	// RefreshAll must do for each claim what Refresh does, and give one answer for
	// each in the order of the claims. One claim that fails must not keep the others
	// from being refreshed. The claims are of different keys.
	RefreshAll(ctx context.Context, claims []Claim) []Refreshed
}

// Refreshed is what Refresh would have answered.
type Refreshed struct {
	Held bool
	Err  error
}
