package redistest

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPortIsNobodyElsesUntilTheTestEnds(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	require.True(t, free(port), "the server can take it")
	_, err := net.Listen("tcp", loopback(port+toGuard))
	require.Error(t, err, "another test cannot take it")
}
