package redis

import (
	"context"
	"errors"
	"fmt"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/redis/internal/pipeline"
)

// RequireAcks makes a grant or a refresh count only if so many replicas have
// acknowledged it within a bound, which is rounded up to whole milliseconds. It is for
// failovers that lose data: with as many replicas as can be elected, none is promoted that
// has not received the grants that count.
//
// A grant that too few have acknowledged is taken back, and the acquire fails with an
// [*AcknowledgeError]; the mutex asks again as its BackingFailureRetryPolicy says. A refresh
// fails likewise, and does not extend the lease that the holder relies on. Releases
// are not waited for: a failover may bring a released lock back for the rest of its lease.
//
// Each grant and refresh then takes as long as the slowest of those replicas needs, and
// commands do not share round trips. RequireAcks panics if replicas or within is not positive.
func RequireAcks(replicas int, within time.Duration) Option {
	if replicas <= 0 || within <= 0 {
		panic(fmt.Sprintf("redis: RequireAcks(%d, %v): both must be positive", replicas, within))
	}
	return func(b *Backing) {
		if _, cluster := b.client.(shards); !cluster && !b.oneServer {
			panic(fmt.Sprintf("redis: RequireAcks: a %T may send WAIT to another server than the lock; use a *redis.Client or a *redis.ClusterClient", b.client))
		}
		b.acks = acks{replicas, within}
	}
}

// AcknowledgeError reports that a grant or a refresh reached too few replicas in time. A
// grant has been taken back; a refresh has no effect on what its holder relies on.
type AcknowledgeError struct {
	Needed int           // how many replicas must acknowledge
	Got    int           // how many did
	Within time.Duration // in this time
}

func (e *AcknowledgeError) Error() string {
	return fmt.Sprintf("redis: %d of %d replicas acknowledged within %v: look at their replication link, or allow more time in RequireAcks", e.Got, e.Needed, e.Within)
}

// Tag returns "AcknowledgeError".
func (*AcknowledgeError) Tag() string { return "AcknowledgeError" }

type acks struct {
	needed int // 0: the primary's word is enough
	within time.Duration
}

// sending is the way to send a script.
type sending int

const (
	acknowledged   sending = iota // with the acknowledgements that RequireAcks asks for
	inBulk                        // likewise; it takes long, and no other should wait behind it
	unacknowledged                // the primary's word is enough
)

// answer is the reply of a script, and why it does not count as acknowledged.
type answer struct {
	pipeline.Reply
	unacknowledged error
}

func (b *Backing) send(ctx context.Context, how sending, cmd *pipeline.Command) (answer, error) {
	if b.acks.needed > 0 && how != unacknowledged {
		return b.sendAcknowledged(ctx, cmd)
	}
	run := b.pipeline.Run
	if how == inBulk {
		run = b.pipeline.RunBulk
	}
	value, err := run(ctx, cmd)
	if pipeline.IsNotSent(err) {
		return answer{}, backing.NotSent(b.classify(err))
	}
	return answer{Reply: value}, b.classify(err)
}

// sendAcknowledged sends a script and then WAIT on the same connection, for WAIT speaks of
// what was written before it there, and a script cannot call it. The client may repeat both
// by itself, so there may always be an earlier copy that is still on its way.
func (b *Backing) sendAcknowledged(ctx context.Context, cmd *pipeline.Command) (answer, error) {
	if err := ctx.Err(); err != nil {
		return answer{}, backing.NotSent(err)
	}
	lock := cmd.Words(false)[3].(string)
	cluster, isCluster := b.client.(shards)
	a, err := pipeline.Call(ctx, func(ctx context.Context) (a answer, err error) {
		server := goredis.Cmdable(b.client)
		if isCluster {
			if server, err = cluster.MasterForKey(ctx, lock); err != nil {
				return answer{}, err
			}
		}
		for _, withSource := range []bool{false, true} { // which a server needs that does not have it
			pipe := server.Pipeline()
			run, wait := pipe.Do(ctx, cmd.Words(withSource)...), pipe.Do(ctx, "wait", b.acks.needed, millis(b.acks.within))
			_, _ = pipe.Exec(ctx) // the commands have the errors
			a.Value, err = run.Text()
			if err == nil || !goredis.HasErrorPrefix(err, "NOSCRIPT") {
				a.Repeated, a.unacknowledged = true, b.missing(wait.Int())
				break
			}
		}
		return a, err
	})
	if _, moved := goredis.IsMovedError(err); moved && isCluster {
		cluster.ReloadState(ctx)
	}
	return a, b.classify(err)
}

// missing returns why a script does not count of which got replicas have the effects; nil if it does.
func (b *Backing) missing(got int, err error) error {
	switch {
	case err != nil:
		return b.classify(fmt.Errorf("redis: WAIT: %w", err))
	case got < b.acks.needed:
		return &AcknowledgeError{Needed: b.acks.needed, Got: got, Within: b.acks.within}
	}
	return nil
}

// mayBeApplied reports whether a script that failed with err may be applied. Without the
// pipeline nobody knows whether the server has refused the only copy, or the second of one
// that has no reply; but what it refuses for good it has refused twice.
func (b *Backing) mayBeApplied(err error) bool {
	if b.acks.needed > 0 {
		return !backing.IsNotSent(err) && !backing.IsPermanent(err)
	}
	return pipeline.MayBeApplied(err)
}

// shards is what the client of a Cluster can do that others cannot.
type shards interface {
	MasterForKey(ctx context.Context, key string) (*goredis.Client, error)
	ReloadState(ctx context.Context)
}

// takeBack releases a grant that too few replicas have acknowledged, and returns why, and whether
// the grant may stand. The claim goes on, so the release is not remembered.
func (b *Backing) takeBack(ctx context.Context, c backing.Claim, why error) (stands bool, err error) {
	if _, err := b.release(ctx, c, "", false, noMemory); err != nil {
		return true, errors.Join(why, err)
	}
	return false, why
}
