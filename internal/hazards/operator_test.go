package hazards_test

import (
	"testing"

	"github.com/IBM/fp-go/v2/option"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/mutex"
)

// An operator frees a lock that looks stuck, by the id of its holder. The holder is alive
// after all, and must not believe that it had the lock to the end.
func TestHazard55_AHolderLearnsThatItsLockWasReleasedInItsName(t *testing.T) {
	t.Parallel()
	everywhere(t, func(a *arena, process func() backing.Backing) {
		holder := a.hold(process())
		a.free(process(), holder)
		close(holder.leave)
		holder.loses(mutex.Gone)

		holder = a.hold(process(), mutex.Config{TTL: long, RefreshInterval: short})
		a.free(process(), holder)
		holder.loses(mutex.Gone)
	})
}

// In one process the other would wait behind the holder, whatever the store says.
func TestHazard55_AHolderLearnsItWhenAnotherProcessHasComeAndGone(t *testing.T) {
	t.Parallel()
	s := sharedStore(t)
	s.expectsTwo()
	holder := s.hold(s.process())
	s.free(s.process(), holder)
	other := s.hold(s.process())
	assert.Greater(t, other.token, holder.token)
	other.letsGo()
	close(holder.leave)
	holder.loses(mutex.Gone)
	s.assertFree()
}

// The holder would hand the lock over to the next waiter of its own process, which does not
// ask the store again.
func TestHazard55_AHolderLearnsItWithOthersOfItsProcessInLine(t *testing.T) {
	t.Parallel()
	everywhere(t, func(a *arena, process func() backing.Backing) {
		a.expectsTwo() // the other process may have the lock before the holder releases it
		b := process()
		holder := a.hold(b)
		waiters := []*contender{a.wait(b), a.wait(process())}
		a.free(process(), holder)
		close(holder.leave)
		holder.loses(mutex.Gone, mutex.Taken) // taken by the first waiter, if it was quicker
		serve(a.t, waiters...)
	})
}

// free releases a contender's lock, as an operator does after asking for its holder.
func (a *arena) free(b backing.Backing, who *contender) {
	a.t.Helper()
	found, err := b.GetHolder(a.t.Context(), who.key)
	require.NoError(a.t, err)
	assert.Equal(a.t, option.Some(who.holder), found)
	released, err := b.Release(a.t.Context(), who.key, who.holder)
	require.NoError(a.t, err)
	require.True(a.t, released)
}
