package redistest

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The environment variables that name the proxies, as [Binary] names the redis-server.
const (
	HAProxyBinary   = "EFFECTLOCK_HAPROXY"
	TwemproxyBinary = "EFFECTLOCK_TWEMPROXY" // its program is called nutcracker
)

// StartHAProxy runs an HAProxy that passes TCP connections on to the server at addr, and
// returns the proxy's address. The proxy ends with the test.
func StartHAProxy(t testing.TB, addr string) string {
	t.Helper()
	port := freePort(t)
	runProxy(t, HAProxyBinary, port, fmt.Sprintf(`
defaults
  mode tcp
  timeout connect 5s
  timeout client 10m
  timeout server 10m
listen redis
  bind 127.0.0.1:%d
  server one %s
`, port, addr), "-db", "-f")
	return loopback(port)
}

// StartTwemproxy runs a twemproxy that spreads keys over the servers at addrs, and returns
// the proxy's address. The proxy ends with the test.
func StartTwemproxy(t testing.TB, addrs ...string) string {
	t.Helper()
	port := freePort(t)
	runProxy(t, TwemproxyBinary, port, fmt.Sprintf(`
redis:
  listen: 127.0.0.1:%d
  redis: true
  hash: fnv1a_64
  distribution: ketama
  servers:
   - %s:1
`, port, strings.Join(addrs, ":1\n   - ")), "-a", "127.0.0.1", "-s", fmt.Sprint(freePort(t)), "-c")
	return loopback(port)
}

// runProxy runs a program until the test ends, with the name of a file that holds config as
// its last argument. It returns when the program listens on port.
func runProxy(t testing.TB, variable string, port int, config string, args ...string) {
	t.Helper()
	program := os.Getenv(variable)
	if program == "" {
		skip(t, variable)
	}
	file := filepath.Join(t.TempDir(), "config")
	check(t, os.WriteFile(file, []byte(config), 0o600))
	cmd := exec.Command("/bin/sh", append(append([]string{"-c", watchdog, "redistest", program}, args...), file)...)
	leash, err := cmd.StdinPipe()
	check(t, err)
	out, err := cmd.StdoutPipe()
	check(t, err)
	check(t, cmd.Start())
	said := make(chan string, 1)
	go func() {
		all, _ := io.ReadAll(out)
		said <- string(all)
	}()
	t.Cleanup(func() {
		_ = leash.Close()
		output := <-said
		if err := cmd.Wait(); err != nil || t.Failed() {
			t.Logf("redistest: %s: %v\n%s", program, err, output)
		}
	})
	if !within(startLimit, func() bool {
		c, err := net.Dial("tcp", loopback(port))
		return err == nil && c.Close() == nil
	}) {
		t.Fatalf("redistest: %s=%s does not listen", variable, program)
	}
}
