package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"go.uber.org/goleak"

	"github.com/effectlock/effectlock/effect"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestWithoutAnyRedisItSaysWhatToDo(t *testing.T) {
	t.Setenv("REDIS_URL", "")
	t.Setenv("PATH", "")
	_, err := effect.Run(t.Context(), effect.Scoped(contest))
	assert.ErrorContains(t, err, "install it, or set REDIS_URL to a running server")
}
