package redis

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/effectlock/effectlock/backing"
)

func TestMemoryIsUsedAgainOnceTheReleaseIsAnswered(t *testing.T) {
	t.Parallel()
	var m memories
	for _, claim := range []string{"a", "b", "a"} {
		assert.Zero(t, m.take("k", claim))
		m.done("k", 0, nil)
	}
	assert.Empty(t, m.inUse)
}

func TestReleasesUnderWayHaveMemoriesOfTheirOwn(t *testing.T) {
	t.Parallel()
	var m memories
	assert.Equal(t, 0, m.take("k", "a"))
	assert.Equal(t, 1, m.take("k", "b"))
	assert.Equal(t, 0, m.take("another", "b"))
	assert.Equal(t, 0, m.take("k", "a"), "a repeat asks where the first was noted")
	m.done("k", 0, nil)
	assert.Equal(t, 2, m.take("k", "c"))
	m.done("k", 0, nil)
	assert.Equal(t, 0, m.take("k", "c"))
	assert.Equal(t, 1, m.take("k", "b"))
}

func TestMemoryOfAReleaseThatFailedIsKeptForItsRepeats(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var m memories
		assert.Zero(t, m.take("k", "a"))
		m.done("k", 0, errors.New("no reply"))
		assert.Equal(t, 1, m.take("k", "b"))
		m.done("k", 1, nil)
		time.Sleep(backing.ReleaseMemory - 1)
		assert.Equal(t, 1, m.take("k", "c"))
		m.done("k", 1, nil)
		time.Sleep(time.Second)
		synctest.Wait()
		assert.Empty(t, m.inUse)
	})
}

// The first failure of a claim's release, and the repeats of it, each end in their own time.
func TestMemoryOfARepeatedReleaseLastsAsLongAsTheLastNeedsIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var m memories
		failed := errors.New("no reply")
		assert.Zero(t, m.take("k", "a"))
		m.done("k", 0, failed)
		time.Sleep(5 * time.Second)
		assert.Zero(t, m.take("k", "a"))
		m.done("k", 0, failed)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		assert.Equal(t, 1, m.take("k", "b"), "the repeat may be repeated yet")
		m.done("k", 1, nil)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		assert.Empty(t, m.inUse)
	})
}

// The end of what a failed release needed is not the end of what was taken since.
func TestMemoryIsNotTakenFromALaterReleaseByAnEarlierFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var m memories
		assert.Zero(t, m.take("k", "a"))
		m.done("k", 0, errors.New("no reply"))
		time.Sleep(5 * time.Second)
		assert.Zero(t, m.take("k", "a"))
		time.Sleep(5 * time.Second)
		synctest.Wait()
		assert.Equal(t, 1, m.take("k", "b"), "the repeat is under way")
		m.done("k", 0, nil)
		m.done("k", 1, nil)
		assert.Empty(t, m.inUse)
	})
}
