package torture_test

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/IBM/fp-go/v2/option"
	goredis "github.com/redis/go-redis/v9"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/redis"
)

// flaws are ways to break a lock. Most have occurred in some library.
var flaws = map[string]func(*redis.Backing, goredis.UniversalClient) backing.Backing{
	"the lock is granted to everybody":        func(b *redis.Backing, _ goredis.UniversalClient) backing.Backing { return &everybody{b} },
	"the lease ends before its holder thinks": func(b *redis.Backing, _ goredis.UniversalClient) backing.Backing { return &shortLease{b} },
	"a release frees the lock whoever has it": func(b *redis.Backing, c goredis.UniversalClient) backing.Backing { return &blindRelease{b, c} },
	"a release frees nothing":                 func(b *redis.Backing, _ goredis.UniversalClient) backing.Backing { return noRelease(b) },
	"tokens do not rise":                      func(b *redis.Backing, _ goredis.UniversalClient) backing.Backing { return sameToken(b) },
	"waiters are forgotten":                   func(b *redis.Backing, _ goredis.UniversalClient) backing.Backing { return &forgetful{b} },
}

// flawed breaks a lock on purpose.
func flawed(flaw string, b *redis.Backing, client goredis.UniversalClient) backing.Backing {
	if flaw == "" {
		return b
	}
	return flaws[flaw](b, client)
}

// Each except the last has only the five operations.

type everybody struct{ backing.Backing }

func (*everybody) TryAcquire(context.Context, backing.Claim) (option.Option[backing.Grant], error) {
	return option.Some(backing.Grant{Token: uint64(time.Now().UnixMicro())}), nil
}

func (*everybody) Release(context.Context, string, string) (bool, error) { return true, nil }

// shortLease is a keep-alive that keeps nothing alive. The work takes 2 ms, not a
// second, so the lease is shortened.
type shortLease struct{ backing.Backing }

func (b *shortLease) TryAcquire(ctx context.Context, c backing.Claim) (option.Option[backing.Grant], error) {
	c.TTL = time.Millisecond
	return b.Backing.TryAcquire(ctx, c)
}

func (*shortLease) Refresh(context.Context, backing.Claim) (bool, error) { return true, nil }

func (b *shortLease) Release(ctx context.Context, key, holder string) (bool, error) {
	_, err := b.Backing.Release(ctx, key, holder)
	return true, err
}

// blindRelease is DEL, and a second DEL as after a lost reply, which deletes the lock
// of the next holder.
type blindRelease struct {
	backing.Backing
	client goredis.UniversalClient
}

func (b *blindRelease) Release(ctx context.Context, key, _ string) (bool, error) {
	for range 2 {
		if err := b.client.Del(ctx, "dmutex:"+key).Err(); err != nil {
			return false, err
		}
		time.Sleep(time.Millisecond)
	}
	return true, nil
}

func noRelease(b backing.Backing) backing.Backing {
	return &backing.Funcs{Base: b, ReleaseFunc: func(context.Context, string, string) (bool, error) { return true, nil }}
}

func sameToken(b backing.Backing) backing.Backing {
	return &backing.Funcs{Base: b, TryAcquireFunc: func(ctx context.Context, c backing.Claim) (option.Option[backing.Grant], error) {
		grant, err := b.TryAcquire(ctx, c)
		return option.Map(func(g backing.Grant) backing.Grant { g.Token = 7; return g })(grant), err
	}}
}

// forgetful tells some waiters that they are in the queue, and never wakes them.
type forgetful struct{ *redis.Backing }

func (b *forgetful) Abilities() backing.Abilities { return backing.Abilities{Of: b, Queue: b} }

func (b *forgetful) Enqueue(ctx context.Context, w backing.Waiter) (backing.Outcome, error) {
	if rand.IntN(10) == 0 {
		if locked, err := b.IsLocked(ctx, w.Key); locked && err == nil {
			return backing.Queued{AskAgain: 3 * time.Second}, nil
		}
	}
	return b.Backing.Enqueue(ctx, w)
}
