package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/schedule"
)

// server yields REDIS_URL, or the URL of a redis-server that runs until the scope
// closes. It listens on a socket in a temporary directory, not on a port.
func server(s *effect.Scope) effect.Effect[string] {
	return func(ctx context.Context) (string, error) {
		if url := os.Getenv("REDIS_URL"); url != "" {
			return url, nil
		}
		path, err := exec.LookPath("redis-server")
		if err != nil {
			return "", fmt.Errorf("%w: install it, or set REDIS_URL to a running server, such as redis://localhost:6379", err)
		}
		dir, err := effect.AcquireRelease(
			func(context.Context) (string, error) { return os.MkdirTemp("", "processes") },
			func(dir string, _ effect.Exit[any]) effect.Effect[effect.Void] {
				return func(context.Context) (done effect.Void, err error) { return done, os.RemoveAll(dir) }
			})(s)(ctx)
		if err != nil {
			return "", err
		}
		socket := filepath.Join(dir, "redis.sock")
		cmd := exec.Command(path, "--port", "0", "--unixsocket", socket, "--save", "", "--dir", dir)
		if _, err := spawn(cmd)(s)(ctx); err != nil {
			return "", err
		}
		up := func(context.Context) (os.FileInfo, error) { return os.Stat(socket) }
		_, err = effect.Retry[os.FileInfo](schedule.Spaced(10 * time.Millisecond).UpTo(10 * time.Second))(up)(ctx)
		return "unix://" + socket, err
	}
}

// spawn starts a process, and kills it when the scope closes, if it is still running.
func spawn(cmd *exec.Cmd) func(*effect.Scope) effect.Effect[*exec.Cmd] {
	return effect.AcquireRelease(
		func(context.Context) (*exec.Cmd, error) { return cmd, cmd.Start() },
		func(cmd *exec.Cmd, _ effect.Exit[any]) effect.Effect[effect.Void] {
			return func(context.Context) (done effect.Void, err error) {
				_, _ = cmd.Process.Kill(), cmd.Wait() // both fail if it has already ended
				return done, nil
			}
		})
}
