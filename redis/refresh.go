package redis

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/redis/internal/pipeline"
	"github.com/effectlock/effectlock/redis/internal/slot"
)

// maxBatch is how many leases one script refreshes: it takes about a millisecond
// then, for which the server does nothing else.
const maxBatch = 500

// Refresh implements [backing.Backing] with one round trip. It touches one key only, so
// it is served while the key's slot is moved.
func (b *Backing) Refresh(ctx context.Context, c backing.Claim) (bool, error) {
	if c.TTL <= 0 { // would delete the lock
		return false, fmt.Errorf("redis: Claim.TTL is %v; it must be more than 0", c.TTL)
	}
	if err := checkKey(c.Key); err != nil {
		return false, err
	}
	value, err := b.run(ctx, func() *pipeline.Command {
		cmd := pipeline.NewCommand(refreshScript, 1)
		cmd.Add(b.prefix + c.Key)
		cmd.Add(c.Holder)
		cmd.AddInt(millis(c.TTL))
		return cmd
	}, acknowledged)
	if err != nil {
		return false, err
	}
	r, err := parseReply(value.Value, "yn")
	if err == nil && r.kind == yes {
		err = b.missing(value)
	}
	return err == nil && r.kind == yes, err
}

// RefreshAll implements [backing.Batcher] with a script for every 500 leases of the
// same TTL; on a Cluster, a Ring, or a client that may be either, for those whose keys have
// the same hash tag. Scripts that are sent together share their round trips.
func (b *Backing) RefreshAll(ctx context.Context, claims []backing.Claim) []backing.Refreshed {
	answers := make([]backing.Refreshed, len(claims))
	batches := b.batches(claims)
	if len(batches) == 1 {
		b.refreshBatch(ctx, claims, batches[0], answers)
		return answers
	}
	var running sync.WaitGroup
	for _, which := range batches {
		running.Go(func() { b.refreshBatch(ctx, claims, which, answers) })
	}
	running.Wait()
	return answers
}

// batches sorts claims into those that a script can refresh together.
func (b *Backing) batches(claims []backing.Claim) [][]int {
	type group struct {
		tag string
		ttl time.Duration
	}
	together := b.oneServer && !b.slots.Load()
	var batches [][]int
	latest := map[group]int{} // the batch of each group that has room
	for i, c := range claims {
		if checkKey(c.Key) != nil { // alone, it fails with that
			batches = append(batches, []int{i})
			continue
		}
		g := group{ttl: c.TTL}
		if !together {
			g.tag = slot.HashTag(b.prefix + c.Key)
		}
		n, ok := latest[g]
		if !ok || len(batches[n]) == maxBatch {
			n = len(batches)
			latest[g], batches = n, append(batches, make([]int, 0, min(maxBatch, len(claims)-i)))
		}
		batches[n] = append(batches[n], i)
	}
	return batches
}

// refreshBatch refreshes those of the claims that which lists, and stores the answers. A
// proxy in front of several servers sends a script to the server of its first key, which
// does not have the other locks. So a no to a batch proves nothing: it is asked for again
// alone.
func (b *Backing) refreshBatch(ctx context.Context, claims []backing.Claim, which []int, answers []backing.Refreshed) {
	alone := func(i int) { answers[i].Held, answers[i].Err = b.Refresh(ctx, claims[i]) }
	if len(which) == 1 || claims[which[0]].TTL <= 0 {
		for _, i := range which {
			alone(i)
		}
		return
	}
	held, err := b.refreshTogether(ctx, claims, which)
	apart := isCrossSlot(err)
	if apart { // later batches keep to one slot
		b.slots.Store(true)
	}
	var again sync.WaitGroup
	for n, i := range which {
		switch {
		case err != nil && !apart:
			answers[i].Err = err
		case err == nil && kind(held[n]) == yes:
			answers[i].Held = true
		default: // alone, a refusal has its reason, and a no is about this lock
			again.Go(func() {
				alone(i)
				if answers[i].Held && !apart && kind(held[n]) == no {
					b.slots.Store(true)
				}
			})
		}
	}
	again.Wait()
}

// refreshTogether returns a character for each of the claims.
func (b *Backing) refreshTogether(ctx context.Context, claims []backing.Claim, which []int) (string, error) {
	cmd := pipeline.NewCommand(refreshAllScript, len(which))
	for _, i := range which {
		cmd.Add(b.prefix + claims[i].Key)
	}
	cmd.AddInt(millis(claims[which[0]].TTL))
	for _, i := range which {
		cmd.Add(claims[i].Holder)
	}
	value, err := b.runBulk(ctx, cmd)
	if err != nil {
		return "", err
	}
	if len(value.Value) != len(which) {
		return "", fmt.Errorf("redis: %d leases were refreshed, and %d asked for", len(value.Value), len(which))
	}
	for _, answer := range value.Value {
		if answer != rune(yes) && answer != rune(no) && answer != '!' {
			return "", fmt.Errorf("redis: a script replied %q for %d leases", value.Value, len(which))
		}
	}
	return value.Value, b.missing(value)
}
