package redistest

import (
	"math/rand/v2"
	"net"
	"strconv"
	"testing"
)

// The ports of a server: its own, one that keeps the first two for it, and the bus of
// a cluster, where Redis wants it.
const (
	firstPort = 10000
	ports     = 5000
	toGuard   = 5000
	toBus     = 10000
)

// freePort finds a port that a server, and a cluster's bus, can listen on. Until
// the test ends no other test gets it, of whatever process, also while the server is
// down: else its clients might find another one that is empty, and their lock gone.
// So a listener, which ends with the process, guards it.
//
// Port 0 was rejected: it draws from the range of which every outgoing connection
// takes one as well, so that a server that was killed would now and then find its
// port taken when it comes back.
func freePort(t testing.TB) int {
	t.Helper()
	for range 200 {
		port := firstPort + rand.IntN(ports)
		guard, err := net.Listen("tcp", loopback(port+toGuard))
		if err != nil {
			continue
		}
		if !free(port) || !free(port+toBus) {
			_ = guard.Close()
			continue
		}
		t.Cleanup(func() { _ = guard.Close() })
		return port
	}
	t.Fatalf("redistest: no free port from %d to %d", firstPort, firstPort+ports-1)
	return 0
}

func free(port int) bool {
	l, err := net.Listen("tcp", loopback(port))
	if err != nil {
		return false
	}
	return l.Close() == nil
}

func loopback(port int) string { return "127.0.0.1:" + strconv.Itoa(port) }
