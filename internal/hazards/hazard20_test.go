package hazards_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/IBM/fp-go/v2/option"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/memory"
)

// twice are the ways in which a grant is released two times.
var twice = map[string]func(release func()){
	"at once": func(release func()) {
		var both sync.WaitGroup
		both.Go(release)
		both.Go(release)
		both.Wait()
	},
	"one after the other": func(release func()) {
		release()
		release()
	},
}

func TestHazard20_TwoReleasesAreOne(t *testing.T) {
	t.Parallel()
	for name, releases := range twice {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStore(t)
			releasesTwice(t, s.process(t), s.process(t), releases)
			assert.Equal(t, 1, s.ran(t, "publish"))
			assert.InDelta(t, long, s.ttl(t, key), float64(patience))
		})
	}
}

// A client that did not get the reply repeats the command by itself.
func TestHazard20_AReleaseThatTheClientRepeatsIsOne(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	network, b := s.distant(t)
	_, err := b.Release(t.Context(), "another key", "a") // the server knows the script from now on
	require.NoError(t, err)
	network.DropReplies(1, "evalsha")
	releasesTwice(t, s.process(t), b, func(release func()) { release() })
	assert.Equal(t, 1, network.Dropped())
	assert.Equal(t, 1, s.ran(t, "publish"))
}

func TestHazard20_TwoReleasesAreOneInMemory(t *testing.T) {
	t.Parallel()
	for name, releases := range twice {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m := memory.New()
				releasesTwice(t, m, m, releases)
			})
		})
	}
}

// releasesTwice has the lock released by what releases does, while two more wait
// for it: the first of them has it then, and is told so once, and keeps it.
func releasesTwice(t *testing.T, theirs, ours interface {
	backing.Backing
	backing.Queue
}, releases func(release func())) {
	t.Helper()
	ctx := t.Context()
	claim := func(holder string) backing.Claim { return backing.Claim{Key: key, Holder: holder, TTL: long} }
	grant, err := theirs.TryAcquire(ctx, claim("a"))
	require.NoError(t, err)
	require.True(t, option.IsSome(grant))
	var b, c atomic.Int32
	told := make(chan struct{}, 10)
	queue(ctx, t, theirs, claim("b"), &b, told)
	queue(ctx, t, theirs, claim("c"), &c, told)

	release := func() {
		released, err := ours.Release(ctx, key, "a")
		assert.NoError(t, err)
		assert.True(t, released)
	}
	releases(release)
	<-told
	held, err := theirs.Refresh(ctx, claim("b"))
	require.NoError(t, err)
	assert.True(t, held)

	release() // and once more, in the next holder's time
	holder, err := theirs.GetHolder(ctx, key)
	require.NoError(t, err)
	assert.Equal(t, option.Some("b"), holder)
	assert.EqualValues(t, 1, b.Load())
	assert.Zero(t, c.Load())
}

// queue puts a claimant in the queue, and counts how often it is told.
func queue(ctx context.Context, t *testing.T, q backing.Queue, c backing.Claim, n *atomic.Int32, told chan<- struct{}) {
	t.Helper()
	standing, err := q.Enqueue(ctx, backing.Waiter{
		Claim:   c,
		Granted: func(backing.Handed) { n.Add(1); told <- struct{}{} },
		Retry:   func() {},
	})
	require.NoError(t, err)
	require.Positive(t, standing.AskAgain)
}
