package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// server is a redis-server of our own. Each measurement starts a new one: keys or
// commands that a peer leaves behind must not burden the next.
type server struct {
	addr string
	cmd  *exec.Cmd
	dir  string
	rdb  *goredis.Client
}

const redisBinary = "EFFECTLOCK_REDIS_SERVER"

func serverBinary() string {
	if name := os.Getenv(redisBinary); name != "" {
		return name
	}
	return "redis-server"
}

// startServer must be called by the main goroutine.
func startServer(ctx context.Context, m *machine, core int) (*server, error) {
	var err error
	for range 5 { // another process may take the port between the check and the bind
		var s *server
		if s, err = tryServer(ctx, m, core); err == nil {
			return s, nil
		}
		if ctx.Err() != nil || errors.Is(err, exec.ErrNotFound) {
			break
		}
	}
	return nil, fmt.Errorf("no redis-server came up (%s names another program): %w", redisBinary, err)
}

func tryServer(ctx context.Context, m *machine, core int) (*server, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "effectlock-bench-")
	if err != nil {
		return nil, err
	}
	s := &server{addr: "127.0.0.1:" + strconv.Itoa(port), dir: dir}
	s.cmd = exec.Command(serverBinary(), "--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--dir", dir,
		"--daemonize", "no", "--save", "", "--appendonly", "no", "--maxclients", "4000", "--loglevel", "warning")
	if err := m.start(s.cmd, core); err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	s.rdb = goredis.NewClient(&goredis.Options{Addr: s.addr, PoolSize: 1, DialerRetries: 1, MaxRetries: -1})
	if err := s.await(ctx, 10*time.Second); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

// await waits until the server answers and checks that it is ours: another one may
// have taken the port.
func (s *server) await(ctx context.Context, limit time.Duration) error {
	for give := time.Now().Add(limit); ; time.Sleep(2 * time.Millisecond) {
		c, err := net.Dial("tcp", s.addr) // go-redis would log each refusal
		if err == nil {
			_ = c.Close()
			break
		}
		if ctx.Err() != nil || time.Now().After(give) {
			return err
		}
	}
	info, err := s.info(ctx)
	if err == nil && info["process_id"] != strconv.Itoa(s.cmd.Process.Pid) {
		err = errors.New("another server answers on its port")
	}
	return err
}

func (s *server) stop() {
	_ = s.rdb.Close()
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
	_ = os.RemoveAll(s.dir)
}

func (s *server) info(ctx context.Context) (map[string]string, error) {
	text, err := s.rdb.Info(ctx).Result()
	return parseInfo(text), err
}

// commands returns how many commands the server has run, including those in scripts.
func (s *server) commands(ctx context.Context) (float64, error) {
	info, err := s.info(ctx)
	if err != nil {
		return 0, err
	}
	return strconv.ParseFloat(info["total_commands_processed"], 64)
}

// parseInfo parses the reply to INFO: lines of key:value, and headings.
func parseInfo(text string) map[string]string {
	info := map[string]string{}
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok && !strings.HasPrefix(key, "#") {
			info[key] = value
		}
	}
	return info
}

// freePort searches below the range of ports for outgoing connections.
func freePort() (int, error) {
	for range 100 {
		port := 10000 + rand.IntN(20000)
		if l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port)); err == nil {
			return port, l.Close()
		}
	}
	return 0, errors.New("no free port between 10000 and 29999")
}
