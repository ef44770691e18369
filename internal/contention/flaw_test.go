package contention_test

import (
	"context"
	"testing"
	"time"

	"github.com/IBM/fp-go/v2/option"
	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/internal/redistest"
)

// flaws are the ways to break a lock, each of which some library has had.
var flaws = map[string]func(backing.Backing, goredis.UniversalClient) backing.Backing{
	"grants the lock to everybody": func(b backing.Backing, _ goredis.UniversalClient) backing.Backing {
		return &everybody{b}
	},
	"the lease ends before its holder thinks": func(b backing.Backing, _ goredis.UniversalClient) backing.Backing {
		return &shortLease{b}
	},
	"a release frees the lock whoever has it": func(b backing.Backing, client goredis.UniversalClient) backing.Backing {
		return &blindRelease{b, client}
	},
}

type everybody struct{ backing.Backing }

func (*everybody) TryAcquire(context.Context, backing.Claim) (option.Option[backing.Grant], error) {
	return option.Some(backing.Grant{Token: uint64(time.Now().UnixNano())}), nil
}

func (*everybody) Release(context.Context, string, string) (bool, error) { return true, nil }

// shortLease is a keep-alive that keeps nothing alive: as the work takes 2 ms
// and not a second, it is the lease that is cut down.
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

// blindRelease is DEL, and DEL again as after a lost reply: the second finds
// the lock of the next holder.
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

// A test of exclusion that cannot fail asserts nothing. The trials are those of
// the real lock, only shorter.
func TestALockThatDoesNotExcludeIsFoundOut(t *testing.T) {
	server := redistest.Start(t)
	for flaw := range flaws {
		t.Run(flaw, func(t *testing.T) {
			h := trial{processes: 3, increments: 100, lock: target{Addr: server.Addr()}, flaw: flaw}.run(t, server)
			found := map[rule]int{}
			for _, v := range h.violations() {
				found[v.rule]++
			}
			t.Log(found)
			assert.NotZero(t, found[overlap], "holders that overlapped went unnoticed")
			assert.NotZero(t, found[miscount], "increments that were overwritten went unnoticed")
		})
	}
}
