// Package redistest gives tests real redis-server processes, and between these and their
// clients a network that breaks on demand.
//
// Nothing here imitates Redis: a fake server would share the misconceptions of the code
// under test. Even a [Shim] forwards what it does not refuse to a real server. The
// environment variable EFFECTLOCK_REDIS_SERVER names the binary. If it is unset, tests
// that call [Start] are skipped, so that `go test ./...` needs nothing but Go. If it is
// set and wrong, they fail, so that CI cannot silently skip them.
package redistest

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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

// startLimit bounds the wait for a server to come up. It is long, because a loaded
// machine may be slow, and only a broken server should fail here.
const startLimit = 30 * time.Second

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
	ready  string   // what it logs when it accepts connections, if not the usual line
	id     string   // its node id in a Cluster

	process *program // nil while no server runs
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
// starts servers only in its subtests.
func Require(t testing.TB) {
	t.Helper()
	_ = binary(t)
}

func (s *Server) start() *Server {
	t := s.t
	t.Helper()
	t.Cleanup(s.Kill)
	// Another process may take the port between the check and the bind.
	for range 5 {
		s.port = freePort(t)
		if s.run() {
			return s
		}
	}
	t.Fatalf("redistest: redis-server did not come up on any of five ports:\n%s", s.Log())
	return nil
}

// Addr is the server's host:port.
func (s *Server) Addr() string { return loopback(s.port) }

// URL is the server's address as redis.ParseURL reads it.
func (s *Server) URL() string { return "redis://" + s.Addr() }

// Pid is the process id of the running server; it changes with Restart.
func (s *Server) Pid() int { return s.process.pid }

// Client returns a client with go-redis's default options, closed when t ends.
func (s *Server) Client(t testing.TB) *redis.Client {
	t.Helper()
	return closing(t, redis.NewClient(&redis.Options{Addr: s.Addr()}))
}

// Freeze stops the process with SIGSTOP: the kernel still accepts its
// connections and takes its bytes, but nothing answers.
func (s *Server) Freeze() { s.t.Helper(); s.signal(syscall.SIGSTOP) }

// Thaw continues a frozen server, which then answers what it was sent meanwhile.
func (s *Server) Thaw() { s.t.Helper(); s.signal(syscall.SIGCONT) }

// Kill ends the server with SIGKILL, frozen or not, and waits until it is
// gone: from then on its port refuses connections. A second Kill does nothing.
func (s *Server) Kill() {
	s.t.Helper()
	if s.process == nil {
		return
	}
	if err := s.process.end(); err != nil {
		s.t.Errorf("redistest: ending redis-server %d: %v", s.process.pid, err)
	}
	s.process = nil
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

// Log returns what the server has logged since it was last started.
func (s *Server) Log() string {
	log, _ := os.ReadFile(filepath.Join(s.dir, "log"))
	return string(log)
}

// run starts the process and reports whether it accepts connections. It relies on
// the log and not on a PING, which another test's server might answer on a port that
// both wanted, and which a password would refuse.
func (s *Server) run() bool {
	s.t.Helper()
	log := filepath.Join(s.dir, "log")
	_ = os.Remove(log)
	args := append(slices.Clone(s.config),
		"--port", strconv.Itoa(s.port), "--bind", "127.0.0.1",
		"--dir", s.dir, "--logfile", log, "--daemonize", "no",
		"--save", "", "--appendonly", "no",
	)
	s.process = startProgram(s.t, s.binary, append(args, s.args...)...)

	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for give := time.Now().Add(startLimit); time.Now().Before(give); {
		select {
		case <-s.process.ended:
			said := s.process.said.String() // complaints about its arguments are printed, not logged
			s.Kill()
			if strings.Contains(s.Log(), "Address already in use") {
				return false
			}
			s.t.Fatalf("redistest: redis-server %q ended at once:\n%s%s", s.args, said, s.Log())
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
	if s.process == nil {
		s.t.Fatalf("redistest: %v for a server that is not running", sig)
	}
	check(s.t, syscall.Kill(s.process.pid, sig))
}

// binary returns the path of the redis-server to run. It skips the test if none is
// named, and fails it if the named one does not run.
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
