package redis

import (
	"context"
	"fmt"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/redis/internal/pipeline"
)

// RequireAcks makes a grant or a refresh count only if that many replicas have acknowledged
// it within the given time, which is rounded up to whole milliseconds. It is for failovers
// that lose data: if replicas is the number of replicas that can be elected, none of them
// lacks a grant that counts. Each grant and refresh then takes as long as the slowest of
// those replicas, and commands do not share round trips.
//
// A grant that too few have acknowledged is undone, and the acquire fails with an
// [*AcknowledgeError]. A refresh fails likewise, and does not extend the lease that the
// holder relies on. A release does not wait for replicas: a failover may bring a released
// lock back for the rest of its lease. RequireAcks panics if replicas or within is not
// positive, and [New] panics with it if the client is not a *goredis.Client or
// *goredis.ClusterClient.
func RequireAcks(replicas int, within time.Duration) Option {
	if replicas <= 0 || within <= 0 {
		panic(fmt.Sprintf("redis: RequireAcks(%d, %v): both must be positive", replicas, within))
	}
	return func(b *Backing) {
		if _, cluster := b.client.(shards); !cluster && !b.oneServer {
			panic(fmt.Sprintf("redis: RequireAcks: a %T may send WAIT to another server than the lock; use a *redis.Client or a *redis.ClusterClient", b.client))
		}
		b.acks = AcknowledgeError{Needed: replicas, Within: within}
	}
}

// AcknowledgeError reports that a grant or a refresh reached too few replicas in time. A
// grant has been undone; a refresh does not extend the lease that its holder relies on.
type AcknowledgeError struct {
	Needed int           // the replicas that must acknowledge
	Got    int           // the replicas that did
	Within time.Duration // the time that they had
}

func (e *AcknowledgeError) Error() string {
	return fmt.Sprintf("redis: %d of %d replicas acknowledged within %v: check their replication links, or give RequireAcks more time", e.Got, e.Needed, e.Within)
}

// Tag returns "AcknowledgeError".
func (*AcknowledgeError) Tag() string { return "AcknowledgeError" }

// shards is the part of a Cluster's client that other clients lack.
type shards interface {
	MasterForKey(ctx context.Context, key string) (*goredis.Client, error)
	ReloadState(ctx context.Context)
}

// sendAcknowledged sends a script and then WAIT on the same connection, because WAIT covers
// what was written there before it, and a script cannot call it. It returns the reason why
// the script's effects do not count, or nil. The client may repeat both by itself, so an
// earlier copy may always still be on its way.
func (b *Backing) sendAcknowledged(ctx context.Context, cmd *pipeline.Command) (value pipeline.Reply, missing, err error) {
	if err := ctx.Err(); err != nil {
		return pipeline.Reply{}, nil, backing.NotSent(err)
	}
	words, withSource := cmd.Words(false), cmd.Words(true)
	cluster, isCluster := b.client.(shards)
	var got *goredis.Cmd
	text, err := pipeline.Call(ctx, func(ctx context.Context) (text string, err error) {
		server := goredis.Cmdable(b.client)
		if isCluster {
			if server, err = cluster.MasterForKey(ctx, words[3].(string)); err != nil {
				return "", err
			}
		}
		for _, words := range [][]any{words, withSource} {
			pipe := server.Pipeline()
			run := pipe.Do(ctx, words...)
			got = pipe.Do(ctx, "wait", b.acks.Needed, millis(b.acks.Within))
			_, _ = pipe.Exec(ctx) // the commands have the errors
			if text, err = run.Text(); err == nil || !goredis.HasErrorPrefix(err, "NOSCRIPT") {
				break
			}
		}
		return text, err
	})
	if _, moved := goredis.IsMovedError(err); moved && isCluster {
		cluster.ReloadState(ctx)
	}
	if err != nil {
		return pipeline.Reply{}, nil, b.classify(err)
	}
	few := b.acks
	if few.Got, err = got.Int(); err != nil {
		missing = b.classify(fmt.Errorf("redis: WAIT: %w", err))
	} else if few.Got < few.Needed {
		missing = &few
	}
	return pipeline.Reply{Value: text, Repeated: true}, missing, nil
}
