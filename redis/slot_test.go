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
		assert.Equal(t, keys{lock, "fence:" + want, "queue:" + want, "released:" + want + ":h"}, keysOf("", lock, "h"))
	}
}

func TestKeysOfALockShareItsSlotAndNoOthers(t *testing.T) {
	t.Parallel()
	braces := rapid.StringOfN(rapid.SampledFrom([]rune("{}:a1")), 1, 8, -1)
	rapid.Check(t, func(t *rapid.T) {
		lock, other := braces.Draw(t, "lock"), braces.Draw(t, "other lock")
		holder, another := braces.Draw(t, "holder"), braces.Draw(t, "other holder")
		k, l := keysOf("", lock, holder), keysOf("", other, another)
		assert.Equal(t, lock, k.lock)
		for _, key := range []string{k.fence, k.queue, k.released} {
			assert.Equal(t, slot(lock), slot(key))
		}
		assert.Equal(t, lock == other, k.fence == l.fence)
		assert.Equal(t, lock == other, k.queue == l.queue)
		assert.Equal(t, lock == other && holder == another, k.released == l.released)
		for cut := range lock {
			assert.Equal(t, k, keysOf(lock[:cut], lock[cut:], holder), "the prefix is part of the lock")
			name, fence := lockAndFence(lock[:cut], lock[cut:])
			assert.Equal(t, [2]string{k.lock, k.fence}, [2]string{name, fence})
		}
	})
}

func TestEndOfALockAndBeginningOfAHolderAreToldApart(t *testing.T) {
	t.Parallel()
	assert.NotEqual(t, keysOf("", "{t}x", "h:i").released, keysOf("", "{t}x:h", "i").released)
	assert.NotEqual(t, keysOf("", "x", "h:i").released, keysOf("", "x:h", "i").released)
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
		k := keysOf("", lock, lock)
		for _, key := range []string{k.fence, k.queue, k.released} {
			require.Equal(t, want, c.ClusterKeySlot(t.Context(), key).Val(), "%q of %q", key, lock)
		}
	}
}

func BenchmarkSlotOfAKeyThatCannotBeATag(b *testing.B) {
	for b.Loop() {
		keysOf("dmutex:", "a}", "h")
	}
}
