package redistest

import (
	"math/rand/v2"
	"net"
	"strconv"
	"testing"
)

// The ports of a server: its own, one that guards the other two, and the bus of
// a cluster, where Redis wants it.
const (
	firstPort = 10000
	ports     = 5000
	toGuard   = 5000
	toBus     = 10000
)

// freePort finds a port that a server, and a cluster's bus, can listen on. No other test
// of any process gets it until the test ends, even while the server is down: otherwise
// its clients might find another server there, an empty one, and their lock gone. A
// listener, which ends with the process, guards the port.
//
// Port 0 was rejected: it draws from the same range as every outgoing connection, so
// that a killed server would now and then find its port taken when it comes back.
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
