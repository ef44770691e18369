package backing

import "context"

// Batcher is the ability to refresh many leases in one request or a few.
type Batcher interface {
	// RefreshAll must do for each claim what Refresh does, and return one answer for each,
	// in the order of the claims. A claim that fails must not keep the others from being
	// refreshed. The claims are for different keys.
	RefreshAll(ctx context.Context, claims []Claim) []Refreshed
}

// Refreshed is what Refresh would have returned.
type Refreshed struct {
	Held bool
	Err  error
}
