package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"go.uber.org/goleak"

	"github.com/effectlock/effectlock/effect"
)

func TestMain(m *testing.M) {
	_ = os.Unsetenv("REDIS_URL") // not the developer's own Redis
	goleak.VerifyTestMain(m)
}

func Example() {
	main()
	// Output:
	// three workers want to run the nightly job; it may run once at a time
	// run 1 begins: it has the lock
	// run 1 ends: it releases the lock
	// run 2 begins: it has the lock
	// run 2 ends: it releases the lock
	// run 3 begins: it has the lock
	// run 3 ends: it releases the lock
}

func TestABadURLIsNamedWithoutItsPassword(t *testing.T) {
	t.Setenv("REDIS_URL", "redis://app:secret@localhost:six")
	_, err := effect.Run(t.Context(), effect.Scoped(program))
	assert.ErrorContains(t, err, `REDIS_URL: redis: bad URL "redis://localhost:six"`)
	assert.NotContains(t, err.Error(), "secret")
}
