package hazards_test

import (
	"context"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/memory"
)

// forgetful is a store in memory that applies requests and loses their replies.
type forgetful struct {
	*memory.Backing
	loses func(operation string) bool // is called by all that ask at once
}

func (f *forgetful) Abilities() backing.Abilities {
	return backing.Abilities{Of: f, Queue: f, Passer: f.Backing, Batcher: f.Backing, Releaser: f.Backing}
}

func (f *forgetful) Enqueue(ctx context.Context, w backing.Waiter) (backing.Outcome, error) {
	outcome, err := f.Backing.Enqueue(ctx, w)
	if f.loses("enqueue") {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return outcome, err
}

func (f *forgetful) Refresh(ctx context.Context, c backing.Claim) (bool, error) {
	held, err := f.Backing.Refresh(ctx, c)
	if f.loses("refresh") {
		<-ctx.Done()
		return false, ctx.Err()
	}
	return held, err
}
