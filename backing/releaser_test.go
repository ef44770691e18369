package backing_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/effectlock/effectlock/backing"
)

func TestReleasedReadsAsWhatWasFound(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "freed now", backing.FreedNow.String())
	assert.Equal(t, "freed earlier", backing.FreedEarlier.String())
	assert.Equal(t, "not held", backing.NotHeld.String())
	assert.Equal(t, backing.NotHeld, backing.Released(0), "the zero value is the answer of least consequence")
}
