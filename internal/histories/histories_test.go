package histories_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestTheLockHoldsWhileProcessesAndNetworksAndTheServerFail(t *testing.T) {
	t.Parallel()
	d, n := length(t, 25*time.Second, 15_000)
	h := world{
		processes: 8, clients: 4, keys: 16,
		length: d, operations: n,
		harm: (*saboteur).harm, every: 400 * time.Millisecond,
		enough: func(f figures) bool {
			return min(f.killedInside, f.overran, f.outlasted, f.outcomes[lost], f.stale) >= 3
		},
	}.run(t)
	assert.LessOrEqual(t, h.figures().unprovoked, 2, "leases are lost for no reason")
	assert.GreaterOrEqual(t, h.assertInOrder(t).checked, n)
}

// What a holder had when the server lost all data is nobody's any more, and the next
// may come at once. So two may be inside, of whom the first loses its lock at its
// next refresh or its release. But who does not lose it had it for itself, tokens
// rise all the same, and the register tells who is late.
func TestTokensRiseAndSuccessMeansExclusionWhileTheServerLosesItsData(t *testing.T) {
	t.Parallel()
	v := world{
		processes: 3, clients: 6, keys: 8,
		length: 10 * time.Second, operations: 1_000,
		harm: (*saboteur).loseAll, every: 500 * time.Millisecond,
		enough: func(f figures) bool { return min(f.outcomes[lost], f.stale) >= 1 },
	}.run(t).assertInOrder(t)
	assert.GreaterOrEqual(t, v.checked, 1_000)
}
