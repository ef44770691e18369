package backingtest

import (
	"context"
	"errors"
	"time"

	"github.com/effectlock/effectlock/backing"
)

func exerciseContext(run runner) {
	run("TryAcquire takes nothing", func(p *probe) {
		k := p.key("k")
		p.failsWhenEnded("TryAcquire", func(ctx context.Context) error {
			_, err := p.store.TryAcquire(ctx, backing.Claim{Key: k, Holder: "a", TTL: long})
			return err
		})
		p.isFree(endedContext, k)
	})

	run("TryAcquire by the holder does not lengthen the lease", func(p *probe) {
		k := p.key("k")
		p.acquires(freeIsGiven, k, "a", p.ttl)
		p.failsWhenEnded("TryAcquire", func(ctx context.Context) error {
			_, err := p.store.TryAcquire(ctx, backing.Claim{Key: k, Holder: "a", TTL: long})
			return err
		})
		p.runsOut(p.ttl)
		p.isFree(endedContext, k)
	})

	run("TryAcquire of a key that another holder has", func(p *probe) {
		k := p.key("k")
		p.acquires(freeIsGiven, k, "a", long)
		p.failsWhenEnded("TryAcquire", func(ctx context.Context) error {
			_, err := p.store.TryAcquire(ctx, backing.Claim{Key: k, Holder: "b", TTL: long})
			return err
		})
		p.isHeldBy(endedContext, k, "a")
	})

	run("Refresh does not lengthen the lease", func(p *probe) {
		k := p.key("k")
		p.acquires(freeIsGiven, k, "a", p.ttl)
		p.failsWhenEnded("Refresh", func(ctx context.Context) error {
			_, err := p.store.Refresh(ctx, backing.Claim{Key: k, Holder: "a", TTL: long})
			return err
		})
		p.runsOut(p.ttl)
		p.isFree(endedContext, k)
	})

	run("Release does not free the key", func(p *probe) {
		k := p.key("k")
		p.acquires(freeIsGiven, k, "a", long)
		p.failsWhenEnded("Release", func(ctx context.Context) error {
			_, err := p.store.Release(ctx, k, "a")
			return err
		})
		p.isHeldBy(endedContext, k, "a")
	})

	run("IsLocked and GetHolder do not answer", func(p *probe) {
		k := p.key("k")
		p.acquires(freeIsGiven, k, "a", long)
		p.failsWhenEnded("IsLocked", func(ctx context.Context) error {
			_, err := p.store.IsLocked(ctx, k)
			return err
		})
		p.failsWhenEnded("GetHolder", func(ctx context.Context) error {
			_, err := p.store.GetHolder(ctx, k)
			return err
		})
	})
}

func (p *probe) failsWhenEnded(name string, operation func(context.Context) error) {
	p.Helper()
	cancelled, cancel := context.WithCancelCause(context.Background())
	cancel(errors.New("the cause that the caller gave"))
	expired, cancel2 := context.WithDeadline(context.Background(), time.Now().Add(-time.Second))
	defer cancel2()

	for _, ctx := range []context.Context{cancelled, expired} {
		err := operation(ctx)
		p.note("%s with a context that has ended = %v", name, err)
		if !errors.Is(err, ctx.Err()) {
			p.breaks(endedContext, "%s returned the error %v, want one that is %v", name, err, ctx.Err())
		}
	}
}
