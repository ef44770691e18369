package memory

import (
	"context"

	"github.com/effectlock/effectlock/backing"
)

// RefreshAll implements [backing.Batcher]. It refreshes the leases one by one, so that no
// other operation waits for thousands of them.
func (b *Backing) RefreshAll(ctx context.Context, claims []backing.Claim) []backing.Refreshed {
	all := make([]backing.Refreshed, len(claims))
	for i, c := range claims {
		all[i].Held, all[i].Err = b.Refresh(ctx, c)
	}
	return all
}
