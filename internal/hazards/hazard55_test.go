package hazards_test

import (
	"testing"

	"github.com/IBM/fp-go/v2/option"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/memory"
	"github.com/effectlock/effectlock/mutex"
)

// An operator frees a lock that looks stuck, by the id of its holder. The holder is
// alive after all, and must not be told that it had the lock to the end.
func TestHazard55_AHolderLearnsThatItsLockWasReleasedInItsName(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, process func(t *testing.T) backing.Backing) {
		t.Run("when it lets go", func(t *testing.T) {
			holder := contend(t, process(t), t.Name(), mutex.Config{TTL: long})
			holder.enters(t, patience)
			free(t, process(t), holder)
			close(holder.leave)
			assertGone(t, holder)
		})
		t.Run("when it refreshes", func(t *testing.T) {
			holder := contend(t, process(t), t.Name(), mutex.Config{TTL: long, RefreshInterval: little / 2})
			holder.enters(t, patience)
			free(t, process(t), holder)
			assertGone(t, holder)
		})
	})
}

// In one process the other would wait behind the holder, whatever the store says.
func TestHazard55_AHolderLearnsItWhenAnotherProcessHasComeAndGone(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	holder := contend(t, s.process(t), key, mutex.Config{TTL: long})
	holder.enters(t, patience)
	free(t, s.process(t), holder)
	other := contend(t, s.process(t), key, mutex.Config{TTL: long})
	other.enters(t, little)
	assert.Greater(t, other.token, holder.token)
	other.letsGo(t)
	close(holder.leave)
	assertGone(t, holder)
	s.assertFree(t)
}

// The holder would hand the lock over to the next of its own process, without asking
// the store for it again.
func TestHazard55_AHolderLearnsItWithOthersOfItsProcessInLine(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, process func(t *testing.T) backing.Backing) {
		for name, far := range map[string]bool{"alone": false, "and one of another process": true} {
			t.Run(name, func(t *testing.T) {
				b := process(t)
				holder := contend(t, b, t.Name(), mutex.Config{TTL: long})
				holder.enters(t, patience)
				waiters := []*contender{contend(t, b, t.Name(), mutex.Config{TTL: long})}
				if far {
					waiters = append(waiters, contend(t, process(t), t.Name(), mutex.Config{TTL: long}))
				}
				for _, who := range waiters {
					who.waits(t)
				}
				free(t, process(t), holder)
				close(holder.leave)
				lost := lossOf(t, holder.gone(t, patience))
				if lost.Reason != mutex.Taken { // by the first of those who wait, who was quicker
					assertGone(t, holder)
				}
				serve(t, holder.token, waiters...)
			})
		}
	})
}

// eachStore runs a test in memory and on a server. What process yields stands for
// another process.
func eachStore(t *testing.T, test func(t *testing.T, process func(t *testing.T) backing.Backing)) {
	t.Helper()
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		b := memory.New()
		test(t, func(*testing.T) backing.Backing { return b })
	})
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		s := newStore(t)
		test(t, func(t *testing.T) backing.Backing { t.Helper(); return s.process(t) })
	})
}

// free releases a contender's lock, as an operator does after asking for its holder.
func free(t *testing.T, b backing.Backing, who *contender) {
	t.Helper()
	found, err := b.GetHolder(t.Context(), who.key)
	require.NoError(t, err)
	holder, _ := option.Unwrap(found)
	require.Equal(t, who.holder, holder)
	released, err := b.Release(t.Context(), who.key, holder)
	require.NoError(t, err)
	require.True(t, released)
}

// assertGone asserts that the contender is told that nobody had the lock any more.
func assertGone(t *testing.T, who *contender) {
	t.Helper()
	lost := lossOf(t, who.gone(t, patience))
	assert.Equal(t, mutex.Gone, lost.Reason)
	assert.Equal(t, who.key, lost.Key)
	assert.Equal(t, 1, who.seen(mutex.Lost))
	assert.Zero(t, who.seen(mutex.Released))
}
