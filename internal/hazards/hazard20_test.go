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
			heard := s.listenIn(t)
			releasesTwice(t, s.process(t), s.process(t), releases)
			assert.Equal(t, 1, heard.wakeUps(t))
			assert.InDelta(t, long, s.ttl(t, key), float64(patience))
		})
	}
}

// Who did not get the reply releases again: the client does not repeat it by itself.
func TestHazard20_AReleaseThatIsRepeatedForWantOfAReplyIsOne(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	network, b := s.distant(t)
	_, err := b.Release(t.Context(), "another key", "a") // the server knows the script from now on
	require.NoError(t, err)
	heard := s.listenIn(t)
	network.DropReplies(1, "evalsha")
	releasesTwice(t, s.process(t), b, func(release func()) {
		_, err := b.Release(t.Context(), key, "a")
		require.Error(t, err, "its reply is lost")
		release()
	})
	assert.Equal(t, 1, network.Dropped())
	assert.Equal(t, 1, heard.wakeUps(t))
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
// for it: the first of them has it then, is woken once, is granted it when it asks, and
// keeps it.
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
	woken := make(chan struct{}, 10)
	waits := queue(ctx, t, theirs, claim("b"), &b, woken)
	queue(ctx, t, theirs, claim("c"), &c, woken)

	release := func() {
		released, err := ours.Release(ctx, key, "a")
		assert.NoError(t, err)
		assert.True(t, released)
	}
	releases(release)
	<-woken
	outcome, err := theirs.Enqueue(ctx, waits)
	require.NoError(t, err)
	assert.IsType(t, backing.Granted{}, outcome)
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

// queue puts a claimant in the queue, and counts how often it is woken.
func queue(ctx context.Context, t *testing.T, q backing.Queue, c backing.Claim, n *atomic.Int32, woken chan<- struct{}) backing.Waiter {
	t.Helper()
	w := backing.Waiter{Claim: c, Wake: func() { n.Add(1); woken <- struct{}{} }}
	outcome, err := q.Enqueue(ctx, w)
	require.NoError(t, err)
	require.IsType(t, backing.Queued{}, outcome)
	require.Positive(t, outcome.(backing.Queued).AskAgain)
	return w
}
