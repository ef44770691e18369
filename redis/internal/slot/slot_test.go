package slot_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/redistest"
	"github.com/effectlock/effectlock/redis/internal/slot"
)

func TestMain(m *testing.M) { redistest.Main(m) }

func TestHashTagIsWhatStandsInTheFirstBraces(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]string{
		"a":       "a",
		"{t}a":    "t",
		"a{t}":    "t",
		"a{t}{u}": "t",
		"{{t}}":   "{t",
		"a{b":     "a{b",
		"a}":      "a}",
		"a}{b}":   "b",
		"{}a":     "{}a",
		"{}{t}":   "{}{t}", // an empty tag is none, nor is what follows
		"":        "",
	} {
		assert.Equal(t, want, slot.HashTag(key), "%q", key)
	}
}

func TestTagHashesToItsSlot(t *testing.T) {
	t.Parallel()
	for s := uint16(0); s < 16384; s += 64 {
		tag := slot.Tag(s)
		require.Regexp(t, `^\d+$`, tag)
		require.Equal(t, s, slot.Of("anything{"+tag+"}"))
		require.Equal(t, tag, slot.Tag(s))
	}
	assert.Panics(t, func() { slot.Tag(16384) })
}

func TestSlotIsTheServers(t *testing.T) {
	t.Parallel()
	c := redistest.Start(t, "--cluster-enabled", "yes").Client(t)
	keys := []string{"a", "{a}b", "b{a}", "{}a", "a{}{b}", "{a", "a}", "}{", "{{a}}", "é", "\x00\xff", strings.Repeat("k", 1000)}
	random := rand.NewPCG(1, 2)
	for range 300 {
		key := make([]byte, 1+random.Uint64()%12)
		for i := range key {
			key[i] = "{}ab\x00\xff\n "[random.Uint64()%8]
		}
		keys = append(keys, string(key))
	}
	for _, key := range keys {
		want, err := c.ClusterKeySlot(t.Context(), key).Result()
		require.NoError(t, err)
		require.EqualValues(t, want, slot.Of(key), "%q", key)
	}
}

func BenchmarkTag(b *testing.B) {
	for b.Loop() {
		slot.Tag(12182)
	}
}
