package redistest_test

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/redistest"
)

func TestClusterServesEverySlotFromThreeServers(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t)
	c := cluster.Client(t)
	for n := range 100 {
		key := strconv.Itoa(n)
		require.NoError(t, c.Set(t.Context(), key, key, 0).Err())
	}
	for _, s := range cluster.Servers {
		require.NotZero(t, s.Client(t).DBSize(t.Context()).Val(), s.Addr())
	}
}
