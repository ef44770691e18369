package hazards_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// What a primary has granted and not replicated is granted again when it dies. This is
// what package redis documents, and it is the proof that the test of the option that
// prevents it tests something.
func TestHazard33_LossyFailoversMakeTwoHoldALock(t *testing.T) {
	t.Parallel()
	doubles := loseData(t)
	t.Logf("of %d failovers: %v", lossyFailovers(), doubles)
	assert.NotEmpty(t, doubles)
}
