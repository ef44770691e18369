package pipeline

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/redistest"
)

func TestCluster(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t)

	t.Run("commands are sent to the masters by their callers", func(t *testing.T) {
		p := New(cluster.Client(t))
		masters := map[*sender]bool{}
		for _, key := range []string{"a", "b", "c"} { // of three masters
			directly(t, p, key, func() {
				_, err := p.Run(t.Context(), say(echo, key, "v"))
				require.NoError(t, err)
			})
			masters[warm(t, p, key)] = true
		}
		assert.Len(t, masters, 3)
	})

	t.Run("hooks of the Cluster's client see every command", func(t *testing.T) {
		c, w := cluster.Client(t), &watcher{}
		c.AddHook(w)
		p := New(c)
		for range 20 {
			_, err := p.Run(t.Context(), say(touch, "a", "v"))
			require.NoError(t, err)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		assert.GreaterOrEqual(t, len(w.args), 20)
	})

	t.Run("a slot that moves is followed", func(t *testing.T) {
		p := New(cluster.Client(t))
		warm(t, p, "moved")
		reply, err := p.Run(t.Context(), say(count, "moved", "x"))
		require.NoError(t, err)
		assert.Equal(t, Reply{Value: "1 x"}, reply)
		warm(t, p, "moved")
		to := cluster.Servers[0]
		if cluster.Owner(t, "moved") == to {
			to = cluster.Servers[1]
		}
		m := cluster.Migrate(t, "moved", to)
		require.Equal(t, 1, m.MoveKeys())
		reply, err = p.Run(t.Context(), say(count, "moved", "x")) // ASK
		require.NoError(t, err)
		assert.Equal(t, Reply{Value: "2 x"}, reply)
		m.Finish()
		for _, want := range []string{"3 x", "4 x", "5 x"} { // MOVED
			reply, err = p.Run(t.Context(), say(count, "moved", "x"))
			require.NoError(t, err)
			assert.Equal(t, Reply{Value: want}, reply)
		}
	})
}
