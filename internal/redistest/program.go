package redistest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// watchdog runs a program for as long as its standard input is open, so that no
// program outlives the test binary, whatever ends that: the kernel closes the pipe
// even after SIGKILL. Linux's parent death signal was rejected: it fires when the
// thread that forked ends, and Go does not say which thread that is.
//
// The shell reaps its child only at the end, so the pid that it prints cannot be
// reused while the tests signal it. It closes its standard output, so that the end
// of the program is the end of that stream.
const watchdog = `"$@" 2>&1 & echo pid $!; exec >/dev/null 2>&1; read _; kill -KILL $!; wait $!; exit 0`

// program is a running server or proxy.
type program struct {
	pid   int
	cmd   *exec.Cmd
	leash io.Closer       // closing it kills the program
	ended chan struct{}   // closed when the program has ended
	said  strings.Builder // what it printed; may be read once ended is closed
}

func startProgram(t testing.TB, path string, args ...string) *program {
	t.Helper()
	p := &program{cmd: exec.Command("/bin/sh", append([]string{"-c", watchdog, "redistest", path}, args...)...), ended: make(chan struct{})}
	leash, err := p.cmd.StdinPipe()
	check(t, err)
	out, err := p.cmd.StdoutPipe()
	check(t, err)
	check(t, p.cmd.Start())
	p.leash = leash
	pid := make(chan int, 1)
	go func() {
		defer close(p.ended)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if n, err := strconv.Atoi(strings.TrimPrefix(lines.Text(), "pid ")); err == nil {
				pid <- n
				continue
			}
			fmt.Fprintln(&p.said, lines.Text())
		}
	}()
	p.pid = <-pid
	return p
}

// end ends the program with SIGKILL, and waits until it is gone.
func (p *program) end() error {
	_ = p.leash.Close()
	<-p.ended
	return p.cmd.Wait()
}

// The environment variables that name the proxies, like [Binary] for redis-server.
const (
	HAProxyBinary   = "EFFECTLOCK_HAPROXY"
	TwemproxyBinary = "EFFECTLOCK_TWEMPROXY" // the program is called nutcracker
)

// StartHAProxy runs an HAProxy that forwards TCP connections to the server at addr, and
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

// runProxy runs a program until the test ends, with the name of a file that contains config as
// its last argument. It returns when the program listens on port.
func runProxy(t testing.TB, variable string, port int, config string, args ...string) {
	t.Helper()
	program := os.Getenv(variable)
	if program == "" {
		skip(t, variable)
	}
	file := filepath.Join(t.TempDir(), "config")
	check(t, os.WriteFile(file, []byte(config), 0o600))
	process := startProgram(t, program, append(args, file)...)
	t.Cleanup(func() {
		if err := process.end(); err != nil || t.Failed() {
			t.Logf("redistest: %s: %v\n%s", program, err, process.said.String())
		}
	})
	if !within(startLimit, func() bool {
		c, err := net.Dial("tcp", loopback(port))
		return err == nil && c.Close() == nil
	}) {
		t.Fatalf("redistest: %s=%s does not listen", variable, program)
	}
}
