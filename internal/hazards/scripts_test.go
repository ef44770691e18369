package hazards_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/redis"
)

// scripts are the names under which a server knows the scripts of the operations: tests find
// requests by them.
var scripts = sync.OnceValue(func() (names struct{ acquire, pass, release, refresh, refreshAll string }) {
	var last string
	c := goredis.NewClient(&goredis.Options{})
	defer c.Close()
	c.AddHook(answering(func(cmd goredis.Cmder) bool {
		last, _ = cmd.Args()[1].(string)
		cmd.SetErr(errors.New("the command is only inspected"))
		return true
	}))
	b, ctx := redis.New(c), context.Background()
	nameOf := func(name *string, operation func()) {
		operation()
		*name = last
	}
	one, other := backing.Claim{Key: "one", Holder: "h", TTL: long}, backing.Claim{Key: "other", Holder: "h", TTL: long}
	nameOf(&names.acquire, func() { _, _ = b.TryAcquire(ctx, one) })
	nameOf(&names.pass, func() { _, _ = b.Pass(ctx, one, backing.Waiter{Claim: other, Wake: func() {}}, false) })
	nameOf(&names.release, func() { _, _ = b.Release(ctx, "one", "h") })
	nameOf(&names.refresh, func() { _, _ = b.Refresh(ctx, one) })
	nameOf(&names.refreshAll, func() { b.RefreshAll(ctx, []backing.Claim{one, other}) })
	return names
})

// train makes the server run each script once, so that a lost reply is not the one that says
// that a script is unknown.
func (s store) train() {
	s.t.Helper()
	b, ctx := s.process(), s.t.Context()
	one, next := claimOf(s.key+"training", "a"), claimOf(s.key+"training", "b")
	_, err := b.TryAcquire(ctx, one)
	require.NoError(s.t, err)
	_, err = b.Refresh(ctx, one)
	require.NoError(s.t, err)
	b.RefreshAll(ctx, []backing.Claim{one, next})
	_, err = b.Pass(ctx, one, waiterOf(next), false)
	require.NoError(s.t, err)
	_, err = b.Release(ctx, next.Key, "b")
	require.NoError(s.t, err)
	s.assertFree()
}

func claimOf(key, holder string) backing.Claim {
	return backing.Claim{Key: key, Holder: holder, TTL: long}
}

func waiterOf(c backing.Claim) backing.Waiter { return backing.Waiter{Claim: c, Wake: func() {}} }

// connect makes a process open its connection.
func connect(t *testing.T, b *redis.Backing) {
	t.Helper()
	key := newKey()
	_, err := b.TryAcquire(t.Context(), claimOf(key, "a"))
	require.NoError(t, err)
	_, err = b.Release(t.Context(), key, "a")
	require.NoError(t, err)
}

// answering is a hook that answers some commands in place of the server.
type answering func(cmd goredis.Cmder) (answered bool)

func (answering) DialHook(next goredis.DialHook) goredis.DialHook { return next }

func (a answering) ProcessHook(next goredis.ProcessHook) goredis.ProcessHook {
	return func(ctx context.Context, cmd goredis.Cmder) error {
		if a(cmd) {
			return cmd.Err()
		}
		return next(ctx, cmd)
	}
}

func (a answering) ProcessPipelineHook(next goredis.ProcessPipelineHook) goredis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []goredis.Cmder) error {
		for _, cmd := range cmds {
			if a(cmd) {
				return cmd.Err()
			}
		}
		return next(ctx, cmds)
	}
}
