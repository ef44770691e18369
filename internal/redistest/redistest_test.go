package redistest_test

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/redistest"
)

func TestMain(m *testing.M) { redistest.Main(m) }

func TestServerAnswersAndTakesArguments(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, "--requirepass", "secret")
	c := redis.NewClient(&redis.Options{Addr: s.Addr(), Password: "secret"})
	defer c.Close()
	require.NoError(t, c.Ping(t.Context()).Err())
	assert.ErrorContains(t, s.Client(t).Ping(t.Context()).Err(), "NOAUTH")
}

func TestFrozenServerAnswersNothingUntilThawed(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	c := redis.NewClient(&redis.Options{Addr: s.Addr(), ContextTimeoutEnabled: true, MaxRetries: -1})
	defer c.Close()
	require.NoError(t, c.Set(t.Context(), "a", "b", 0).Err())
	s.Freeze()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, c.Get(ctx, "a").Err(), os.ErrDeadlineExceeded)
	s.Thaw()
	require.Equal(t, "b", c.Get(t.Context(), "a").Val())
}

func TestKilledServerRefusesUntilRestartedEmptyOnTheSamePort(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	c := s.Client(t)
	require.NoError(t, c.Set(t.Context(), "a", "b", 0).Err())
	s.Freeze() // SIGKILL must end a stopped process too
	pid := s.Pid()
	s.Kill()
	require.ErrorIs(t, c.Ping(t.Context()).Err(), syscall.ECONNREFUSED)
	require.ErrorIs(t, syscall.Kill(pid, 0), syscall.ESRCH)
	s.Restart()
	require.ErrorIs(t, c.Get(t.Context(), "a").Err(), redis.Nil)
	require.NotEqual(t, pid, s.Pid())
}

func TestServerDiesWithTheTestBinary(t *testing.T) {
	if os.Getenv("REDISTEST_CHILD") != "" {
		s := redistest.Start(t)
		_, _ = os.Stdout.WriteString("\npid=" + s.Addr() + "\n")
		require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGKILL))
		select {}
	}
	t.Parallel()
	redistest.Start(t) // skips here, not in the child, if there is no server
	child := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$")
	child.Env = append(os.Environ(), "REDISTEST_CHILD=1")
	out, err := child.CombinedOutput()
	require.ErrorContains(t, err, "killed")
	_, addr, found := strings.Cut(string(out), "pid=")
	require.True(t, found, "%s", out)
	c := redis.NewClient(&redis.Options{Addr: strings.TrimSpace(addr), MaxRetries: -1})
	defer c.Close()
	require.Eventually(t, func() bool {
		return c.Ping(context.Background()).Err() != nil
	}, 10*time.Second, 5*time.Millisecond)
}

func TestWrongBinaryFailsInsteadOfSkipping(t *testing.T) {
	for name, path := range map[string]string{"missing": "/nowhere/redis-server", "another program": "/bin/true"} {
		t.Run(name, func(t *testing.T) {
			if os.Getenv("REDISTEST_CHILD") != "" {
				redistest.Start(t)
				return
			}
			child := exec.Command(os.Args[0], "-test.v", "-test.run", "^"+strings.ReplaceAll(t.Name(), "/", "$/^")+"$")
			child.Env = append(os.Environ(), "REDISTEST_CHILD=1", redistest.Binary+"="+path)
			out, err := child.CombinedOutput()
			require.Error(t, err, "%s", out)
			assert.Contains(t, string(out), redistest.Binary+"="+path)
		})
	}
}

func TestMissingBinarySkipsAndSaysHowToRun(t *testing.T) {
	if os.Getenv("REDISTEST_CHILD") != "" {
		redistest.Start(t)
		return
	}
	t.Parallel()
	child := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$")
	child.Env = append(os.Environ(), "REDISTEST_CHILD=1", redistest.Binary+"=")
	out, err := child.CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Contains(t, string(out), "1 tests skipped, each needs a real server: run `make test`")
}
