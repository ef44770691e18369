package timing_test

import (
	"context"
	"fmt"
	"time"

	"github.com/IBM/fp-go/v2/option"
	goredis "github.com/redis/go-redis/v9"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/redis"
)

// rival wants the lock of a holder, and is on a network without faults.
type rival struct {
	client *goredis.Client
	b      *redis.Backing
}

// claim is what a rival has got.
type claim struct {
	backing.Claim
	token uint64
	could time.Time // from when on another than the holder could have the lock
	wrote time.Time // when it had written to the register
	err   error     // why it has got none, or could not write
}

// look tells what is left of the lease, and by the server's clock when it ends, or
// has ended unless it was released before; both in milliseconds. The second is
// told by the fence, which each refresh has outlive the lease by an hour.
var look = goredis.NewScript(`
local left, fence, now = redis.call('PTTL', KEYS[1]), redis.call('PTTL', KEYS[2]), redis.call('TIME')
return {left, now[1] * 1000 + math.floor(now[2] / 1000) + fence - 3600000}`)

// compete returns when the rival has the lock. Until the lease ends it looks at it
// again and again, for the holder may prolong it, and then it tries at once.
func (r rival) compete(ctx context.Context, key string) (c claim, err error) {
	c.Claim = backing.Claim{Key: key, Holder: "rival of " + key, TTL: time.Minute}
	for ctx.Err() == nil {
		said, err := look.Run(ctx, r.client, []string{"dmutex:" + key, "fence:{dmutex:" + key + "}"}).Int64Slice()
		if err != nil {
			return c, err
		}
		// The server deletes the key when that millisecond is over.
		ends := time.UnixMilli(said[1])
		if said[0] > 0 {
			time.Sleep(min(time.Until(ends), 10*time.Millisecond))
			continue
		}
		grant, err := r.b.TryAcquire(ctx, c.Claim)
		if err != nil {
			return c, err
		}
		if g, ok := option.Unwrap(grant); ok {
			c.token, c.could = g.Token, time.UnixMicro(int64(g.Token)) //nolint:gosec // until the year 2286
			if ends.Before(c.could) {
				c.could = ends
			}
			return c, nil
		}
	}
	return c, fmt.Errorf("the rival of %s never got the lock: %w", key, context.Cause(ctx))
}

// write has the register know of the rival's token.
func (r rival) write(c *claim) error {
	a := account{Key: c.Key, Token: c.token}
	(&register{r.client}).write(&a)
	c.wrote = time.Now()
	if a.Wrote.IsZero() {
		return fmt.Errorf("the register refused the rival of %s: %s", c.Key, a.Error)
	}
	return nil
}
