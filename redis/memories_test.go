package redis

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/effectlock/effectlock/backing"
)

var common = memoryOf{lock: "k"}

func ownOf(claim string) memoryOf { return memoryOf{"k", claim} }

func TestMemoryIsUsedAgainOnceTheReleaseIsAnswered(t *testing.T) {
	t.Parallel()
	var m memories
	for _, claim := range []string{"a", "b", "a"} {
		assert.Equal(t, common, m.take("k", claim))
		m.done(common, nil)
	}
	assert.Empty(t, m.inUse)
}

func TestReleasesUnderWayHaveMemoriesOfTheirOwn(t *testing.T) {
	t.Parallel()
	var m memories
	assert.Equal(t, common, m.take("k", "a"))
	assert.Equal(t, ownOf("b"), m.take("k", "b"))
	assert.Equal(t, memoryOf{lock: "another"}, m.take("another", "b"))
	assert.Equal(t, common, m.take("k", "a"), "a repeat asks where the first was noted")
	m.done(common, nil)
	assert.Equal(t, ownOf("c"), m.take("k", "c"))
	m.done(common, nil)
	assert.Equal(t, ownOf("b"), m.take("k", "b"), "a repeat asks where the first was noted")
	assert.Equal(t, common, m.take("k", "d"))
}

// Each failed release keeps the memory for as long as that release may be repeated.
func TestMemoryOfAReleaseThatFailedIsKeptForItsRepeats(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var m memories
		other := func(want memoryOf, why string) {
			assert.Equal(t, want, m.take("k", "b"), why)
			m.done(want, nil)
		}
		m.done(m.take("k", "a"), errNoOne)
		time.Sleep(backing.ReleaseMemory - time.Second)
		other(ownOf("b"), "it may be repeated")
		m.done(m.take("k", "a"), errNoOne)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		other(ownOf("b"), "the repeat has failed, and may be repeated")
		m.take("k", "a")
		time.Sleep(backing.ReleaseMemory)
		synctest.Wait()
		other(ownOf("b"), "the repeat is under way")
		m.done(common, nil)
		other(common, "")
		assert.Empty(t, m.inUse)
	})
}
