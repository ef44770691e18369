package main

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/effectlock/effectlock/internal/redistest"
)

const (
	lease    = 2 * time.Second
	long     = 10 * time.Second // a lease that must not end by itself
	patience = 15 * time.Second // after that, the table says never
	settle   = 300 * time.Millisecond
	key      = "k"
)

// stage is where one library goes through one scenario: a redis-server of its own, with
// a network in front of it.
type stage struct {
	library
	context.Context
	server *redistest.Server
	proxy  *redistest.Proxy
	direct *goredis.Client
	owner  testing.TB // ends what was started here
}

// play returns what the scenario showed, or why it could not be played.
func play(ctx context.Context, owner testing.TB, l library, sc scenario) (cell string) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			cell = fmt.Sprintf("**failed**: %v", p)
		}
	}()
	s := &stage{library: l, Context: ctx, server: redistest.Start(owner), owner: owner}
	s.proxy = redistest.NewProxy(owner, s.server.Addr())
	s.direct = s.server.Client(owner)
	return sc.play(s)
}

// near connects bypassing the network, and far through it. When they return, the server
// knows the scripts and the connections are made.
func (s *stage) near(ttl time.Duration) client { return s.connect(s.server.Addr(), ttl) }
func (s *stage) far(ttl time.Duration) client  { return s.connect(s.proxy.Addr(), ttl) }

func (s *stage) connect(addr string, ttl time.Duration) client {
	c, err := s.open(setting{addr: addr, ttl: ttl})
	check(err)
	s.owner.Cleanup(c.close)
	check(c.with(s, "warm", func(context.Context, uint64) {}))
	return c
}

// exists reports whether the server has the key of a lock.
func (s *stage) exists(c client) bool {
	n, err := s.direct.Exists(s, c.stored(key)).Result()
	check(err)
	return n == 1
}

// freeAfter returns how long the lock stays held from now on, at most patience.
func (s *stage) freeAfter(c client) time.Duration {
	began := time.Now()
	for time.Since(began) < patience {
		if n, err := s.direct.Exists(s, c.stored(key)).Result(); err == nil && n == 0 {
			break
		}
		time.Sleep(2 * time.Millisecond)
	}
	return time.Since(began)
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// run stands in for the test that package redistest needs. The server and the proxy of
// the tests were chosen over new ones, so that the faults are those of the library's own
// tests.
type run struct {
	testing.TB // nil: methods that redistest does not call would panic
	after      []func()
}

func (r *run) Helper()                           {}
func (r *run) Name() string                      { return "hazards" }
func (r *run) Cleanup(f func())                  { r.after = append(r.after, f) }
func (r *run) Errorf(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
func (r *run) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
func (r *run) Skipf(format string, args ...any)  { panic(fmt.Sprintf(format, args...)) }

func (r *run) TempDir() string {
	dir, err := os.MkdirTemp("", "effectlock-hazards-")
	check(err)
	r.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func (r *run) end() {
	for len(r.after) > 0 {
		last := len(r.after) - 1
		f := r.after[last]
		r.after = r.after[:last]
		f()
	}
}
