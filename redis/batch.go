package redis

import (
	"context"
	"fmt"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/effectlock/effectlock/backing"
)

// maxBatch is how many leases one script refreshes: it takes about a millisecond
// then, for which the server does nothing else.
const maxBatch = 500

// RefreshAll implements [backing.Batcher] with a script for every 500 leases of the
// same TTL; on a Cluster or a Ring for those whose keys have the same hash tag.
// Scripts that are sent together share their round trips.
func (b *Backing) RefreshAll(ctx context.Context, claims []backing.Claim) []backing.Refreshed {
	all := make([]backing.Refreshed, len(claims))
	batches := b.batches(claims)
	if len(batches) == 1 {
		b.refreshBatch(ctx, claims, batches[0], all)
		return all
	}
	var batch sync.WaitGroup
	for _, which := range batches {
		batch.Go(func() { b.refreshBatch(ctx, claims, which, all) })
	}
	batch.Wait()
	return all
}

// batches sorts claims into those that a script can refresh together.
func (b *Backing) batches(claims []backing.Claim) [][]int {
	type together struct {
		tag string
		ttl time.Duration
	}
	_, single := b.client.(*goredis.Client)
	var batches [][]int
	under := map[together]int{}
	var last together // mostly that of all
	n, ok := 0, false
	for i, c := range claims {
		t := together{ttl: c.TTL}
		if !single {
			t.tag = hashTag(b.prefix + c.Key)
		}
		if t != last || !ok {
			n, ok = under[t]
			last = t
		}
		if !ok || len(batches[n]) == maxBatch {
			n, ok = len(batches), true
			under[t], batches = n, append(batches, make([]int, 0, min(maxBatch, len(claims)-i)))
		}
		batches[n] = append(batches[n], i)
	}
	return batches
}

// refreshBatch refreshes those of the claims that which lists, and notes the answers in all.
func (b *Backing) refreshBatch(ctx context.Context, claims []backing.Claim, which []int, all []backing.Refreshed) {
	if len(which) == 1 || claims[which[0]].TTL <= 0 {
		for _, i := range which {
			at := &all[i]
			at.Held, at.Err = b.Refresh(ctx, claims[i])
		}
		return
	}
	held, err := b.refreshTogether(ctx, claims, which)
	var single sync.WaitGroup
	for n, i := range which {
		at := &all[i]
		switch {
		case err != nil:
			at.Err = err
		case held[n] == 'e': // alone, it tells why
			single.Go(func() { at.Held, at.Err = b.Refresh(ctx, claims[i]) })
		default:
			at.Held, at.Err = yes(held[n:n+1], nil)
		}
	}
	single.Wait()
}

// refreshTogether returns a character for each of the claims: '1', '0' or 'e'.
func (b *Backing) refreshTogether(ctx context.Context, claims []backing.Claim, which []int) (string, error) {
	words := make([]string, 0, 3*len(which))
	cmd := newCommand(refreshAllScript, 0)
	cmd.args = append(make([]any, 0, 5+3*len(which)), "evalsha", refreshAllScript.name, 2*len(which))
	add := func(s string) {
		words = append(words, s)
		cmd.args = append(cmd.args, &words[len(words)-1])
	}
	first := claims[which[0]]
	for _, i := range which {
		lock, fence := lockAndFence(b.prefix, claims[i].Key)
		add(lock)
		add(fence)
	}
	cmd.number(millis(first.TTL))
	cmd.number(fenceMillis(first.TTL))
	for _, i := range which {
		add(claims[i].Holder)
	}
	held, err := b.bulk.of(b.prefix+first.Key, b.checked.Load()).send(ctx, cmd, nil)
	if err == nil && len(held) != len(which) {
		err = fmt.Errorf("redis: %d leases were refreshed, and %d asked for", len(held), len(which))
	}
	return held, err
}
