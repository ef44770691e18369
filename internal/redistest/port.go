package redistest

import (
	"math/rand/v2"
	"net"
	"strconv"
	"testing"
)

// freePort finds a port that a server, and a cluster's bus 10,000 above it,
// can listen on. Port 0 was rejected: it draws from the range of which every
// outgoing connection takes one as well, so that a server that was killed
// would now and then find its port taken when it comes back.
func freePort(t testing.TB) int {
	t.Helper()
	for range 200 {
		port := 10000 + rand.IntN(10000)
		if free(port) && free(port+10000) {
			return port
		}
	}
	t.Fatalf("redistest: no free port between 10000 and 19999")
	return 0
}

func free(port int) bool {
	l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
	if err != nil {
		return false
	}
	return l.Close() == nil
}
