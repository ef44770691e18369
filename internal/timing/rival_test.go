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
	trail  trail
}

// claim is what a rival has got.
type claim struct {
	backing.Claim
	token uint64
	could time.Time // from when on another than the holder could have the lock
	wrote time.Time // when it had written to the register
	err   error     // why it has got none, or could not write
}

// compete returns when the rival has the lock. Until the lease ends it looks at it
// again and again, for the holder may prolong it, and then it tries at once.
func (r rival) compete(ctx context.Context, key string) (c claim, err error) {
	c.Claim = backing.Claim{Key: key, Holder: "rival of " + key, TTL: time.Minute}
	for ctx.Err() == nil {
		// The server deletes the key when the last millisecond of the lease is over.
		left, err := r.client.PTTL(ctx, "dmutex:"+key).Result()
		if err != nil {
			return c, err
		}
		if left > 0 {
			time.Sleep(min(left, 10*time.Millisecond))
			continue
		}
		ends, err := r.trail.end("dmutex:" + key)
		if err != nil {
			return c, err
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
