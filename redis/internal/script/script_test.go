package script_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/effectlock/effectlock/redis/internal/script"
)

func TestAScriptIsItsPartsUnderTheNameThatRedisGivesThem(t *testing.T) {
	t.Parallel()
	s := script.New("local n = 1\n", "return n")
	assert.Equal(t, "local n = 1\nreturn n", s.Source)
	assert.Equal(t, "e0e1f9fabfc9d4800c877a703b823ac0578ff8db", script.New("return 1").SHA)
	assert.False(t, s.Idempotent)
}
