package redis

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/redis/internal/pipeline"
	"github.com/effectlock/effectlock/redis/internal/slot"
)

// maxBatch is how many leases one script refreshes. That takes about a millisecond, during
// which the server does nothing else.
const maxBatch = 500

// Refresh implements [backing.Backing] with one round trip. It touches one key only, so it
// works while the key's slot is being moved.
func (b *Backing) Refresh(ctx context.Context, c backing.Claim) (bool, error) {
	if c.TTL <= 0 { // it would delete the lock
		return false, fmt.Errorf("redis: Claim.TTL is %v; it must be positive", c.TTL)
	}
	if err := checkKey(c.Key); err != nil {
		return false, err
	}
	r, err := b.run(ctx, acknowledged, "yn", func() *pipeline.Command {
		return command(refreshScript, 1, []any{b.prefix + c.Key, c.Holder, millis(c.TTL)})
	})
	err = cmp.Or(err, r.missing)
	return err == nil && r.kind == yes, err
}

// RefreshAll implements [backing.Batcher] with one script for every 500 leases of the same
// TTL. On a Cluster, a Ring, or a client that may be either, the keys of a script also have
// the same hash tag. Scripts that are sent together share round trips.
func (b *Backing) RefreshAll(ctx context.Context, claims []backing.Claim) []backing.Refreshed {
	answers := make([]backing.Refreshed, len(claims))
	type group struct {
		tag string
		ttl time.Duration
	}
	groups := map[group][]int{}
	apart := !b.oneServer || b.slots.Load()
	for i, c := range claims {
		if c.TTL <= 0 || checkKey(c.Key) != nil { // nothing is sent
			answers[i].Held, answers[i].Err = b.Refresh(ctx, c)
			continue
		}
		g := group{ttl: c.TTL}
		if apart {
			g.tag = slot.HashTag(b.prefix + c.Key)
		}
		groups[g] = append(groups[g], i)
	}
	var running sync.WaitGroup
	for _, all := range groups {
		for which := range slices.Chunk(all, maxBatch) {
			running.Go(func() { b.refreshBatch(ctx, claims, which, answers) })
		}
	}
	running.Wait()
	return answers
}

// refreshBatch refreshes the claims at the indices in which, and stores the answers. A
// proxy in front of several servers sends a script to the server of its first key, which
// does not have the other locks. So a refusal in a batch proves nothing: that lease is
// refreshed again alone.
func (b *Backing) refreshBatch(ctx context.Context, claims []backing.Claim, which []int, answers []backing.Refreshed) {
	held, err := strings.Repeat("!", len(which)), error(nil)
	if len(which) > 1 {
		together, failed := b.refreshTogether(ctx, claims, which)
		if isCrossSlot(failed) {
			b.slots.Store(true) // later batches keep to one slot
		} else {
			held, err = together, failed
		}
	}
	var again sync.WaitGroup
	for n, i := range which {
		switch {
		case err != nil:
			answers[i].Err = err
		case kind(held[n]) == yes:
			answers[i].Held = true
		default: // sent alone, an answer concerns this lock, and an error says why
			again.Go(func() {
				answers[i].Held, answers[i].Err = b.Refresh(ctx, claims[i])
				if answers[i].Held && kind(held[n]) == no {
					b.slots.Store(true)
				}
			})
		}
	}
	again.Wait()
}

// refreshTogether returns one character for each claim.
func (b *Backing) refreshTogether(ctx context.Context, claims []backing.Claim, which []int) (string, error) {
	cmd := pipeline.NewCommand(refreshAllScript, len(which))
	for _, i := range which {
		cmd.Add(b.prefix + claims[i].Key)
	}
	cmd.Add(millis(claims[which[0]].TTL))
	for _, i := range which {
		cmd.Add(claims[i].Holder)
	}
	reply, missing, err := b.send(ctx, inBulk, cmd)
	if err == nil && (len(reply.Value) != len(which) || strings.Trim(reply.Value, "yn!") != "") {
		err = fmt.Errorf("redis: a script replied %q for %d leases: %s", reply.Value, len(which), alteredReply)
	}
	return reply.Value, cmp.Or(err, missing)
}
