package redis

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/effectlock/effectlock/internal/redistest"
)

func TestKeysOfALock(t *testing.T) {
	t.Parallel()
	for lock, want := range map[string]string{
		"dmutex:a":       "{dmutex:a}",
		"dmutex:a{b":     "{dmutex:a{b}",
		"dmutex:{t}a":    "{t}11:dmutex:{t}a",
		"dmutex:{{t}}":   "{{t}12:dmutex:{{t}}",
		"dmutex:a}{b}":   "{b}12:dmutex:a}{b}",
		"dmutex:{}{tag}": "{" + tagOf(slot("dmutex:{}{tag}")) + "}14:dmutex:{}{tag}", // an empty tag is none, nor is what follows
		"dmutex:a}":      "{" + tagOf(slot("dmutex:a}")) + "}9:dmutex:a}",
	} {
		assert.Equal(t, "fence:"+want, fenceKey(lock))
		assert.Equal(t, "released:"+want+":h", releasedKey(lock, "h"))
	}
}

func TestKeysOfALockShareItsSlotAndNoOthers(t *testing.T) {
	t.Parallel()
	braces := rapid.StringOfN(rapid.SampledFrom([]rune("{}:a1")), 1, 8, -1)
	rapid.Check(t, func(t *rapid.T) {
		lock, other := braces.Draw(t, "lock"), braces.Draw(t, "other lock")
		holder, another := braces.Draw(t, "holder"), braces.Draw(t, "other holder")
		assert.Equal(t, slot(lock), slot(fenceKey(lock)))
		assert.Equal(t, slot(lock), slot(releasedKey(lock, holder)))
		assert.Equal(t, lock == other, fenceKey(lock) == fenceKey(other))
		assert.Equal(t, lock == other && holder == another, releasedKey(lock, holder) == releasedKey(other, another))
	})
}

func TestEndOfALockAndBeginningOfAHolderAreToldApart(t *testing.T) {
	t.Parallel()
	assert.NotEqual(t, releasedKey("{t}x", "h:i"), releasedKey("{t}x:h", "i"))
	assert.NotEqual(t, releasedKey("x", "h:i"), releasedKey("x:h", "i"))
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
	for _, lock := range keys {
		want, err := c.ClusterKeySlot(t.Context(), lock).Result()
		require.NoError(t, err)
		require.EqualValues(t, want, slot(lock), "%q", lock)
		for _, key := range []string{fenceKey(lock), releasedKey(lock, lock)} {
			require.Equal(t, want, c.ClusterKeySlot(t.Context(), key).Val(), "%q of %q", key, lock)
		}
	}
}

func BenchmarkSlotOfAKeyThatCannotBeATag(b *testing.B) {
	for b.Loop() {
		fenceKey("dmutex:a}")
	}
}
