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

// child runs the calling test in another process, where inChild is true.
func child(t *testing.T, env ...string) (string, error) {
	t.Helper()
	c := exec.Command(os.Args[0], "-test.run", "^"+strings.ReplaceAll(t.Name(), "/", "$/^")+"$")
	c.Env = append(append(os.Environ(), "REDISTEST_CHILD=1"), env...)
	out, err := c.CombinedOutput()
	return string(out), err
}

func inChild() bool { return os.Getenv("REDISTEST_CHILD") != "" }

func TestServerDiesWithTheTestBinary(t *testing.T) {
	if inChild() {
		s := redistest.Start(t)
		_, _ = os.Stdout.WriteString("\naddr=" + s.Addr() + "\n")
		require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGKILL))
		select {}
	}
	t.Parallel()
	redistest.Start(t) // skips here, not in the child, if there is no server
	out, err := child(t)
	require.ErrorContains(t, err, "killed")
	_, addr, found := strings.Cut(out, "addr=")
	require.True(t, found, "%s", out)
	c := redis.NewClient(&redis.Options{Addr: strings.TrimSpace(addr), MaxRetries: -1})
	defer c.Close()
	require.Eventually(t, func() bool { return c.Ping(context.Background()).Err() != nil }, 10*time.Second, 5*time.Millisecond)
}

func TestWithoutABinaryATestIsSkippedAndAWrongOneFailsIt(t *testing.T) {
	for name, test := range map[string]struct {
		path, says string
		fails      bool
	}{
		"missing":         {"/nowhere/redis-server", redistest.Binary + "=/nowhere/redis-server", true},
		"another program": {"/bin/true", redistest.Binary + "=/bin/true", true},
		"none":            {"", "1 tests skipped, each needs a real server: run `make test`", false},
	} {
		t.Run(name, func(t *testing.T) {
			if inChild() {
				redistest.Start(t)
				return
			}
			t.Parallel()
			out, err := child(t, redistest.Binary+"="+test.path)
			assert.Equal(t, test.fails, err != nil, "%s", out)
			assert.Contains(t, out, test.says)
		})
	}
}

func TestServerTakesSettingsAndUsersWhileItRuns(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	ctx := t.Context()
	s.Allow("app", "on", ">secret", "~*", "+@all")
	c := redis.NewClient(&redis.Options{Addr: s.Addr(), Username: "app", Password: "secret"})
	t.Cleanup(func() { _ = c.Close() })
	require.NoError(t, c.Set(ctx, "a", "b", 0).Err())

	s.Configure("maxmemory", "1")
	assert.ErrorContains(t, c.Set(ctx, "a", "b", 0).Err(), "OOM")
	s.Configure("maxmemory", "0")
	s.Flush()
	assert.ErrorIs(t, c.Get(ctx, "a").Err(), redis.Nil)
	s.Allow("app", "-get")
	assert.ErrorContains(t, c.Get(ctx, "a").Err(), "NOPERM")
	s.Allow("app", "resetpass", ">another")
	assert.ErrorContains(t, c.Ping(ctx).Err(), "WRONGPASS", "open connections must not last")
}

func TestServerWithoutACommandAnswersAsIfItHadNeverBeen(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, "--rename-command", "INCR", "")
	assert.ErrorContains(t, s.Client(t).Incr(t.Context(), "n").Err(), "ERR unknown command")
}
