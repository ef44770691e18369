package hazards_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
)

// serve has all contenders let go in the order in which they get the lock, and
// asserts that each is alone and has a higher token than the one before it.
func serve(t *testing.T, token uint64, all ...*contender) {
	t.Helper()
	for len(all) > 0 {
		var who *contender
		eventually(t, func() bool {
			for _, who = range all {
				select {
				case <-who.inside:
					return true
				default:
				}
			}
			return false
		}, "one of %d has the lock", len(all))
		all = slices.DeleteFunc(all, func(c *contender) bool { return c == who })
		for _, other := range all {
			assertOutside(t, other)
		}
		assert.Greater(t, who.token, token)
		token = who.token
		who.letsGo(t)
	}
}
