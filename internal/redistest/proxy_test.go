package redistest_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/redistest"
)

// through returns a client that goes through a proxy and never repeats a
// command, and one that goes past it.
func through(t *testing.T) (*redistest.Proxy, *redis.Client, *redis.Client) {
	t.Helper()
	s := redistest.Start(t)
	p := redistest.NewProxy(t, s.Addr())
	c := redis.NewClient(&redis.Options{Addr: p.Addr(), ContextTimeoutEnabled: true, MaxRetries: -1})
	t.Cleanup(func() { _ = c.Close() })
	require.NoError(t, c.Ping(t.Context()).Err())
	return p, c, s.Client(t)
}

func TestDroppedReplyBelongsToACommandThatWasApplied(t *testing.T) {
	t.Parallel()
	p, c, direct := through(t)
	p.DropReplies(1, "incr")
	require.NoError(t, c.Set(t.Context(), "n", 5, 0).Err(), "other commands are not meant")
	require.Error(t, c.Incr(t.Context(), "n").Err())
	require.Equal(t, 1, p.Dropped())
	require.Equal(t, "6", direct.Get(t.Context(), "n").Val())
	require.EqualValues(t, 7, c.Incr(t.Context(), "n").Val(), "only one reply was to be lost")
}

func TestAllRepliesAreDroppedUntilHealed(t *testing.T) {
	t.Parallel()
	p, c, direct := through(t)
	p.DropReplies(-1, "n")
	for range 3 {
		require.Error(t, c.Incr(t.Context(), "n").Err())
	}
	require.Equal(t, "3", direct.Get(t.Context(), "n").Val())
	p.Heal()
	require.EqualValues(t, 4, c.Incr(t.Context(), "n").Val())
}

func TestCutHoldsBackCommandsAndKeepsSocketsOpen(t *testing.T) {
	t.Parallel()
	p, c, direct := through(t)
	p.Cut()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, c.Incr(ctx, "n").Err(), os.ErrDeadlineExceeded)
	require.ErrorIs(t, direct.Get(t.Context(), "n").Err(), redis.Nil, "the command must not have passed")
	p.Heal()
	require.NoError(t, c.Ping(t.Context()).Err())
}

func TestCutRepliesLetsCommandsPass(t *testing.T) {
	t.Parallel()
	p, c, direct := through(t)
	p.CutReplies()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	failed := make(chan error, 1)
	go func() { failed <- c.Incr(ctx, "n").Err() }()
	require.Eventually(t, func() bool {
		return direct.Get(t.Context(), "n").Val() == "1"
	}, 10*time.Second, time.Millisecond)
	select {
	case err := <-failed:
		require.Fail(t, "a reply arrived", "%v", err)
	default:
	}
	p.Heal()
	require.NoError(t, <-failed, "the reply arrives after all")
}

func TestDelayHoldsBackReplies(t *testing.T) {
	t.Parallel()
	p, c, _ := through(t)
	p.Delay(60 * time.Millisecond)
	began := time.Now()
	require.NoError(t, c.Ping(t.Context()).Err())
	assert.GreaterOrEqual(t, time.Since(began), 60*time.Millisecond)
}

func TestResetBreaksConnectionsThatExist(t *testing.T) {
	t.Parallel()
	p, c, _ := through(t)
	conn := c.Conn()
	defer conn.Close()
	require.NoError(t, conn.Ping(t.Context()).Err())
	p.Reset()
	require.Error(t, conn.Ping(t.Context()).Err())
	require.NoError(t, c.Ping(t.Context()).Err(), "new connections can be made")
}

func TestForgottenConnectionsLoseWhatIsSentAndNewOnesWork(t *testing.T) {
	t.Parallel()
	p, c, direct := through(t)
	p.Forget()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, c.Incr(ctx, "n").Err(), os.ErrDeadlineExceeded)
	require.EqualValues(t, 1, c.Incr(t.Context(), "n").Val(), "on another connection")
	p.Heal()
	require.Equal(t, "1", direct.Get(t.Context(), "n").Val(), "it must not arrive later")
}
