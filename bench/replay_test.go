package main

import (
	"context"
	"testing"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/redistest"
)

func TestARequestIsMadeForAnotherKeyAndHolder(t *testing.T) {
	t.Parallel()
	r := &recording{
		key: recordedKey, holder: "HOLDER",
		acquire: [][]string{{"EVALSHA", "sha", "2", "p:recorded-key", "gone:{p:recorded-key}:HOLDER", "HOLDER", "30000"}},
		release: [][]string{{"DEL", "p:recorded-key"}},
		replies: []any{"g17", int64(1)},
	}
	made := r.exchange("k")
	assert.Equal(t, []any{"EVALSHA", "sha", "2", "p:k", "gone:{p:k}:me", "me", "30000"}, made.acquire[0].of("me"))
	assert.Equal(t, "you", made.acquire[0].of("you")[5], "made again and again")
	assert.Equal(t, []any{"DEL", "p:k"}, made.release[0].of("me"))
}

func TestAReplyThatSaysSomethingElseIsAnError(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		want, got any
		err       error
		alike     bool
	}{
		{want: "g17", got: "g18", alike: true},
		{want: "g17", got: "q30000"},
		{want: "g17", got: ""},
		{want: "", got: "", alike: true},
		{want: int64(1), got: int64(1), alike: true},
		{want: int64(1), got: int64(0)},
		{want: "OK", err: goredis.Nil},
		{err: goredis.Nil, alike: true},
		{want: "OK", got: "OK", err: assert.AnError},
	} {
		cmd := goredis.NewCmdResult(c.got, c.err)
		err := request{reply: c.want}.check(cmd)
		assert.Equal(t, c.alike, err == nil, "%#v: %v", c, err)
	}
}

func TestWhatALibrarySendsLocksAndFreesWithoutIt(t *testing.T) {
	t.Parallel()
	for _, p := range peers {
		if !scripts().measures(p) {
			continue
		}
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t) // the peers lock the same key, some under the same name
			r, err := record(t.Context(), p.open, setting{addr: server.Addr(), ttl: lease, renew: lease / 3})
			require.NoError(t, err)
			assert.Len(t, r.acquire, 1)
			assert.Len(t, r.release, 1)
		})
	}
}

func TestAReplayedLockIsHeldInItsSection(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c, err := openReplayed(t.Context(), setting{addr: server.Addr(), ttl: lease, renew: lease / 3})
	require.NoError(t, err)
	present := func() int64 { return server.Client(t).Exists(t.Context(), c.stored("k")).Val() }
	inside := int64(0)
	lock := c.locker("k", func(context.Context) { inside = present() })
	for range 2 {
		require.NoError(t, lock(t.Context()))
		assert.EqualValues(t, 1, inside)
		assert.Zero(t, present())
	}
	require.NoError(t, server.Client(t).Set(t.Context(), c.stored("k"), "another", 0).Err())
	assert.Error(t, lock(t.Context()), "it does not wait")
}
