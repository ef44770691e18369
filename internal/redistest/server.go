// Package redistest gives tests real redis-server processes and a network
// between them and their clients that breaks on demand.
//
// Nothing here imitates Redis: a fake server would share the misconceptions of the code
// under test. Even a [Shim] passes what it does not refuse on to a real server. The
// binary is the one that the environment variable EFFECTLOCK_REDIS_SERVER names. Where
// the variable is unset, tests that call [Start] are skipped, so that `go test ./...`
// needs nothing but Go; where it is set and wrong they fail, so that CI cannot lose them
// silently.
package redistest

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// Binary is the environment variable that names the redis-server to run.
const Binary = "EFFECTLOCK_REDIS_SERVER"

// startLimit bounds the wait for a server to come up: long, because a loaded
// machine may be slow and only a broken server should fail here.
const startLimit = 30 * time.Second

// watchdog runs the server for as long as its standard input is open, so that
// no server outlives the test binary, whatever ends it: the kernel closes the
// pipe even after SIGKILL. Linux's parent death signal was rejected: it fires
// when the thread that forked ends, and Go does not say which thread that is.
//
// The shell reaps its child only at the end, so the pid it prints cannot be
// given to another process while the tests signal it. It lets go of standard
// output, so that the end of the server is the end of that stream.
const watchdog = `"$@" 2>&1 & echo pid $!; exec >/dev/null 2>&1; read _; kill -KILL $!; wait $!; exit 0`

// Server is one redis-server process on a loopback port of its own, without
// persistence unless its arguments ask for it. Its methods fail the test that
// started it; call them from that test's goroutine.
type Server struct {
	t      testing.TB
	binary string
	dir    string
	port   int
	args   []string
	config []string // the configuration file, if there is one
	ready  string   // what it logs when it accepts connections, if that is not a server's usual word
	id     string   // in its Cluster

	pid   int
	cmd   *exec.Cmd     // nil while no server runs
	leash io.Closer     // closing it kills the server
	ended chan struct{} // closed when the server has ended
}

// Start runs a redis-server with the extra arguments, such as
// "--requirepass", "secret", and returns when it accepts connections. It is
// killed when the test ends.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	s := &Server{t: t, binary: binary(t), dir: t.TempDir(), args: args}
	return s.start()
}

// Require skips the test if there is no redis-server, as Start does. It is for a test that
// starts servers in its subtests alone.
func Require(t testing.TB) {
	t.Helper()
	_ = binary(t)
}

func (s *Server) start() *Server {
	t := s.t
	t.Helper()
	t.Cleanup(s.Kill)
	// Another process may take the port between the look and the bind.
	for range 5 {
		s.port = freePort(t)
		if s.run() {
			return s
		}
	}
	t.Fatalf("redistest: no redis-server came up on five ports:\n%s", s.Log())
	return nil
}

// Addr is the server's host:port.
func (s *Server) Addr() string { return loopback(s.port) }

// URL is the server's address as redis.ParseURL reads it.
func (s *Server) URL() string { return "redis://" + s.Addr() }

// Pid is the process id of the running server; it changes with Restart.
func (s *Server) Pid() int { return s.pid }

// Client returns a client with go-redis's default options, closed when t ends.
func (s *Server) Client(t testing.TB) *redis.Client {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: s.Addr()})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// Freeze stops the process as SIGSTOP does: the kernel still accepts its
// connections and takes its bytes, but nothing answers.
func (s *Server) Freeze() { s.t.Helper(); s.signal(syscall.SIGSTOP) }

// Thaw lets a frozen server go on; it then answers what it was sent meanwhile.
func (s *Server) Thaw() { s.t.Helper(); s.signal(syscall.SIGCONT) }

// Kill ends the server with SIGKILL, frozen or not, and waits until it is
// gone: from then on its port refuses connections. A second Kill does nothing.
func (s *Server) Kill() {
	s.t.Helper()
	if s.cmd == nil {
		return
	}
	_ = s.leash.Close()
	<-s.ended
	if err := s.cmd.Wait(); err != nil {
		s.t.Errorf("redistest: ending redis-server %d: %v", s.pid, err)
	}
	s.cmd = nil
}

// Restart kills the server if it still runs and starts it on the same port
// with the same arguments: empty, unless they ask for persistence.
func (s *Server) Restart() {
	s.t.Helper()
	s.Kill()
	if !s.run() {
		s.t.Fatalf("redistest: redis-server did not come up again on %s:\n%s", s.Addr(), s.Log())
	}
}

// Log is what the server has written to its log since it was last started.
func (s *Server) Log() string {
	log, _ := os.ReadFile(filepath.Join(s.dir, "log"))
	return string(log)
}

// run starts the process and reports whether it accepts connections. It
// believes the log and not a PING, which another test's server might answer
// on a port that both wanted, and which a password would refuse.
func (s *Server) run() bool {
	s.t.Helper()
	log := filepath.Join(s.dir, "log")
	_ = os.Remove(log)
	args := append([]string{"-c", watchdog, "redistest", s.binary}, s.config...)
	args = append(args,
		"--port", strconv.Itoa(s.port), "--bind", "127.0.0.1",
		"--dir", s.dir, "--logfile", log, "--daemonize", "no",
		"--save", "", "--appendonly", "no",
	)
	args = append(args, s.args...)
	s.cmd = exec.Command("/bin/sh", args...)
	leash, err := s.cmd.StdinPipe()
	check(s.t, err)
	out, err := s.cmd.StdoutPipe()
	check(s.t, err)
	check(s.t, s.cmd.Start())
	s.leash = leash
	var said strings.Builder // what it printed instead of logging: how it dislikes its arguments
	pid := make(chan int, 1)
	s.ended = make(chan struct{})
	go func() {
		defer close(s.ended)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if n, err := strconv.Atoi(strings.TrimPrefix(lines.Text(), "pid ")); err == nil {
				pid <- n
				continue
			}
			fmt.Fprintln(&said, lines.Text())
		}
	}()
	s.pid = <-pid

	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for give := time.Now().Add(startLimit); time.Now().Before(give); {
		select {
		case <-s.ended:
			s.Kill()
			if strings.Contains(s.Log(), "Address already in use") {
				return false
			}
			s.t.Fatalf("redistest: redis-server %q ended at once:\n%s%s", s.args, said.String(), s.Log())
		case <-tick.C:
			if strings.Contains(s.Log(), cmp.Or(s.ready, "Ready to accept connections")) {
				return true
			}
		}
	}
	s.Kill()
	return false
}

func (s *Server) signal(sig syscall.Signal) {
	s.t.Helper()
	if s.cmd == nil {
		s.t.Fatalf("redistest: %v for a server that does not run", sig)
	}
	check(s.t, syscall.Kill(s.pid, sig))
}

// binary is the path of the redis-server to run. It skips the test if none was
// named, and fails it if what was named does not run.
func binary(t testing.TB) string {
	t.Helper()
	path := os.Getenv(Binary)
	if path == "" {
		skip(t, Binary)
	}
	if err := runnable(path); err != nil {
		t.Fatalf("redistest: %s=%s: %v", Binary, path, err)
	}
	return path
}

var runnable = func() func(string) error {
	var tried sync.Map
	return func(path string) error {
		once, _ := tried.LoadOrStore(path, sync.OnceValue(func() error {
			out, err := exec.Command(path, "--version").CombinedOutput()
			if err != nil {
				return fmt.Errorf("does not run: %w", err)
			}
			if !strings.Contains(string(out), "v=") {
				return fmt.Errorf("is not a redis-server: it says %.80q", out)
			}
			return nil
		}))
		return once.(func() error)()
	}
}()

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("redistest: %v", err)
	}
}
