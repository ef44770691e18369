package hazards_test

import (
	"context"
	"errors"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
	"github.com/effectlock/effectlock/schedule"
)

// A client that was made for a single server does not follow a redirection, however
// often the lock is asked for. The keys of the node itself can be locked.
func TestHazard54_APlainClientAtANodeOfAClusterIsToldAtOnce(t *testing.T) {
	t.Parallel()
	s := newCluster(t)
	node := s.masters[0]
	names := s.ownedBy(t, s.other(t, s.ownedBy(t, node, 1)[0]), 1)
	elsewhere, here := names[0], s.ownedBy(t, node, 1)[0]
	for way, acquire := range acquiring {
		for from, b := range map[string]*redis.Backing{
			"New":     redis.New(client(t, node.Addr())),
			"FromURL": fromURL(t, node.URL()),
		} {
			began := time.Now()
			_, err := acquire(newMutex(t, b, elsewhere, mutex.Config{}), func(context.Context) (effect.Void, error) {
				assert.Fail(t, "it works", way)
				return effect.Void{}, nil
			})(t.Context())
			assertIsClusters(t, err)
			assert.True(t, backing.IsPermanent(err), "%s, %s: %v", way, from, err)
			assert.Less(t, time.Since(began), 15*time.Second, "half the time that the policy allows")

			m := newMutex(t, b, elsewhere, mutex.Config{})
			_, err = m.IsLocked(t.Context())
			assertIsClusters(t, err)
			_, err = m.Holder(t.Context())
			assertIsClusters(t, err)
			_, err = acquire(newMutex(t, b, here, mutex.Config{}), effect.Succeed(effect.Void{}))(t.Context())
			assert.NoError(t, err)
		}
	}
	s.assertFree(t)
}

// assertIsClusters asserts that err says which client to use, and holds the server's answer.
func assertIsClusters(t *testing.T, err error) {
	t.Helper()
	var failed *mutex.MutexBackingError
	require.ErrorAs(t, err, &failed)
	setup, ok := errors.AsType[*redis.SetupError](err)
	require.True(t, ok, "%v", err)
	assert.Contains(t, setup.Advice, "redis.NewClusterClient")
	_, moved := goredis.IsMovedError(setup.Err)
	assert.True(t, moved, "%v", setup.Err)
}

// fromURL is a Backing for the time of the test.
func fromURL(t *testing.T, url string) *redis.Backing {
	t.Helper()
	made := make(chan *redis.Backing)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		_, err := effect.Scoped(func(s *effect.Scope) effect.Effect[effect.Void] {
			return func(ctx context.Context) (none effect.Void, err error) {
				b, err := redis.FromURL(url)(s)(ctx)
				if err == nil {
					made <- b
					<-ctx.Done()
				}
				return none, err
			}
		})(ctx)
		done <- err
	}()
	t.Cleanup(cancel)
	select {
	case b := <-made:
		t.Cleanup(func() {
			cancel()
			assert.NoError(t, <-done)
		})
		return b
	case err := <-done:
		require.NoError(t, err)
		return nil
	}
}

// A type of the user's own may hold the client of a Cluster, which gives up for now while
// slots move. So its redirections are failures that may pass, and say what else they may be.
func TestHazard54_ARedirectionThroughAnUnknownClientMayPass(t *testing.T) {
	t.Parallel()
	s := newCluster(t)
	node := s.masters[0]
	elsewhere := s.ownedBy(t, s.other(t, s.ownedBy(t, node, 1)[0]), 1)[0]
	b := redis.New(struct{ goredis.UniversalClient }{client(t, node.Addr())})
	who := newMutex(t, b, elsewhere, mutex.Config{BackingFailureRetryPolicy: schedule.Recurs(2)})
	_, err := mutex.WithLock(who, effect.Succeed(1))(t.Context())
	assertIsClusters(t, err)
	assert.False(t, backing.IsPermanent(err), "%v", err)
	s.assertFree(t)
}
