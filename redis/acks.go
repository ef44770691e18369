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

// need says whether a script run has to be acknowledged.
type need bool

const (
	acknowledged   need = true
	unacknowledged need = false
)

// answer is the reply of a script, and how many replicas have acknowledged it.
type answer struct {
	pipeline.Reply
	acks   int
	failed error // why that is unknown
}

func (b *Backing) send(ctx context.Context, cmd *pipeline.Command, needs need) (answer, error) {
	if b.acks.needed > 0 && needs {
		return b.sendAcknowledged(ctx, cmd)
	}
	value, err := b.pipeline.Run(ctx, cmd)
	if pipeline.IsNotSent(err) {
		return answer{}, backing.NotSent(b.classify(err))
	}
	return answer{Reply: value}, b.classify(err)
}

// runBulk sends a script that takes long, behind which no other should wait.
func (b *Backing) runBulk(ctx context.Context, cmd *pipeline.Command) (answer, error) {
	if b.acks.needed > 0 {
		return b.sendAcknowledged(ctx, cmd)
	}
	value, err := b.bulk.Run(ctx, cmd)
	return answer{Reply: value}, b.classify(err)
}

// sendAcknowledged sends a script and then WAIT on the same connection, for WAIT speaks of
// what was written before it there, and a script cannot call it. The client may repeat both
// by itself, so there may always be an earlier copy that is still on its way.
func (b *Backing) sendAcknowledged(ctx context.Context, cmd *pipeline.Command) (answer, error) {
	if err := ctx.Err(); err != nil { // nothing is sent
		return answer{}, err
	}
	words, withSource := cmd.Words(false), cmd.Words(true)
	a, err := pipeline.Call(ctx, func(ctx context.Context) (answer, error) {
		server, err := b.serverOf(ctx, words[3].(string))
		if err != nil {
			return answer{}, err
		}
		a, err := b.runAndWait(ctx, server, words)
		if err != nil && goredis.HasErrorPrefix(err, "NOSCRIPT") {
			a, err = b.runAndWait(ctx, server, withSource)
		}
		return a, err
	})
	if _, moved := goredis.IsMovedError(err); moved {
		if cluster, ok := b.client.(shards); ok {
			cluster.ReloadState(ctx)
		}
	}
	if err = b.classify(err); err != nil {
		return answer{}, &unacknowledgedError{err}
	}
	return a, nil
}

func (b *Backing) runAndWait(ctx context.Context, server goredis.Cmdable, words []any) (answer, error) {
	pipe := server.Pipeline()
	run := pipe.Do(ctx, words...)
	wait := pipe.Do(ctx, "wait", b.acks.needed, millis(b.acks.within))
	_, _ = pipe.Exec(ctx) // the commands have the errors
	value, err := run.Text()
	if err != nil {
		return answer{}, err
	}
	got, err := wait.Int()
	return answer{pipeline.Reply{Value: value, Repeated: true}, got, err}, nil
}

// unacknowledgedError is what a script failed with that was not sent through the pipeline,
// which would know whether it may be applied all the same.
type unacknowledgedError struct{ error }

func (e *unacknowledgedError) Unwrap() error { return e.error }

// mayBeApplied reports whether a script that failed with err may be applied. A server may have
// refused the second copy of one whose first copy has no reply; but what it refuses for good
// it has refused twice.
func mayBeApplied(err error) bool {
	if _, ok := errors.AsType[*unacknowledgedError](err); ok {
		return !backing.IsPermanent(err)
	}
	return pipeline.MayBeApplied(err)
}

// shards is what the client of a Cluster can do that others cannot.
type shards interface {
	MasterForKey(ctx context.Context, key string) (*goredis.Client, error)
	ReloadState(ctx context.Context)
}

func (b *Backing) serverOf(ctx context.Context, lock string) (goredis.Cmdable, error) {
	if cluster, ok := b.client.(shards); ok {
		return cluster.MasterForKey(ctx, lock)
	}
	return b.client, nil
}

// missing is nil if enough replicas have acknowledged.
func (b *Backing) missing(got answer) error {
	switch {
	case got.failed != nil:
		return b.classify(fmt.Errorf("redis: WAIT: %w", got.failed))
	case got.acks >= b.acks.needed:
		return nil
	}
	return &AcknowledgeError{Needed: b.acks.needed, Got: got.acks, Within: b.acks.within}
}

// takeBack releases a grant that too few replicas have acknowledged. The claim goes on, so the
// release is not remembered.
func (b *Backing) takeBack(ctx context.Context, c backing.Claim, missing error) error {
	if _, err := b.release(ctx, c, "", false, noMemory); err != nil {
		return errors.Join(missing, err)
	}
	return missing
}
