// Package examples_test runs the programs that need Redis or several processes, as a user
// would. The tests beside the other programs run those.
package examples_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/redistest"
)

func TestMain(m *testing.M) { redistest.Main(m) }

func TestProgramsOnRedis(t *testing.T) {
	t.Parallel()
	redistest.Start(t).Kill() // without redis-server, this skips the test before anything is built
	programs := t.TempDir()
	said, err := exec.Command("go", "build", "-o", programs, "./quickstart", "./processes").CombinedOutput()
	require.NoError(t, err, "%s", said)
	quickstart, processes := filepath.Join(programs, "quickstart"), filepath.Join(programs, "processes")

	for _, c := range []struct {
		behaviour string
		program   string
		exercise  func(t *testing.T, program string)
	}{
		{"quickstart works in one process at a time", quickstart, worksInOneProcessAtATime},
		{"quickstart releases its lock on ctrl-c", quickstart, releasesItsLockOnCtrlC},
		{"quickstart says that redis does not answer", quickstart, saysThatRedisDoesNotAnswer},
		{"processes go on when the holder is killed", processes, goOnWhenTheHolderIsKilled},
		{"processes bring and end a redis of their own", processes, bringAndEndARedisOfTheirOwn},
	} {
		t.Run(c.behaviour, func(t *testing.T) {
			t.Parallel()
			c.exercise(t, c.program)
		})
	}
}

func worksInOneProcessAtATime(t *testing.T, program string) {
	url := redistest.Start(t).URL()
	output, err := os.Create(filepath.Join(t.TempDir(), "output"))
	require.NoError(t, err)
	defer output.Close()
	one, two := command(t, program, "REDIS_URL="+url), command(t, program, "REDIS_URL="+url)
	one.Stdout, two.Stdout = output, output
	require.NoError(t, one.Start())
	require.NoError(t, two.Start())
	require.NoError(t, errors.Join(one.Wait(), two.Wait()))

	said, err := os.ReadFile(output.Name())
	require.NoError(t, err)
	runs := regexp.MustCompile(`(process \d+: run \d) (begins|ends): .*\n`).FindAllStringSubmatch(string(said), -1)
	require.Len(t, runs, 12, "%s", said)
	processes := map[string]bool{}
	for i := 0; i < len(runs); i += 2 {
		assert.Equal(t, []string{runs[i][1], "begins"}, runs[i][1:], "%s", said)
		assert.Equal(t, []string{runs[i][1], "ends"}, runs[i+1][1:], "%s", said)
		processes[strings.Fields(runs[i][1])[1]] = true
	}
	assert.Len(t, processes, 2, "%s", said)
}

func releasesItsLockOnCtrlC(t *testing.T, program string) {
	redis := redistest.Start(t)
	quickstart := command(t, program, "REDIS_URL="+redis.URL())
	output, err := quickstart.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, quickstart.Start())
	lines := bufio.NewScanner(output)
	for lines.Scan() && !strings.HasSuffix(lines.Text(), "run 1 begins: it has the lock") {
	}
	locked := redis.Client(t).Exists(t.Context(), "dmutex:nightly-job").Val()
	require.NoError(t, quickstart.Process.Signal(os.Interrupt))
	for lines.Scan() {
	}
	assert.Equal(t, 1, exitCode(t, quickstart.Wait()))
	assert.EqualValues(t, 1, locked)
	assert.Zero(t, redis.Client(t).Exists(t.Context(), "dmutex:nightly-job").Val())
}

func saysThatRedisDoesNotAnswer(t *testing.T, program string) {
	redis := redistest.Start(t)
	redis.Kill()
	quickstart := command(t, program, "REDIS_URL="+redis.URL())
	var complaint bytes.Buffer
	quickstart.Stderr = &complaint
	assert.Equal(t, 1, exitCode(t, quickstart.Run()))
	assert.Contains(t, complaint.String(), "quickstart: REDIS_URL: redis: PING "+redis.Addr())
}

func goOnWhenTheHolderIsKilled(t *testing.T, program string) {
	said, err := command(t, program, "REDIS_URL="+redistest.Start(t).URL()).Output()
	require.NoError(t, err)
	assertContest(t, said)
}

func bringAndEndARedisOfTheirOwn(t *testing.T, program string) {
	server, err := exec.LookPath(os.Getenv(redistest.Binary))
	require.NoError(t, err)
	path := t.TempDir()
	require.NoError(t, os.Symlink(server, filepath.Join(path, "redis-server")))
	processes := command(t, program, "REDIS_URL=", "PATH="+path)
	waitForAll := descendants(t, processes)
	said, err := processes.Output()
	require.NoError(t, err)
	assertContest(t, said)
	waitForAll()
}

var contest = regexp.MustCompile(`^worker (\d) has the lock, token (\d+)
worker (\d) is killed
worker (\d) has the lock, token (\d+)
worker (\d) is done
worker (\d) has the lock, token (\d+)
worker (\d) is done
$`)

func assertContest(t *testing.T, said []byte) {
	t.Helper()
	m := contest.FindStringSubmatch(string(said))
	require.NotNil(t, m, "%s", said)
	first, second, third := m[1], m[4], m[7]
	assert.Equal(t, []string{first, second, third}, []string{m[3], m[6], m[9]}, "%s", said)
	assert.ElementsMatch(t, []string{"1", "2", "3"}, []string{first, second, third}, "%s", said)
	assert.IsIncreasing(t, []uint64{number(t, m[2]), number(t, m[5]), number(t, m[8])}, "%s", said)
}

func number(t *testing.T, digits string) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(digits, 10, 64)
	require.NoError(t, err)
	return n
}

// command interrupts the program after a minute, long after any example has ended.
func command(t *testing.T, program string, environment ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, program)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	cmd.Env = append(os.Environ(), environment...)
	return cmd
}

// descendants returns a function that waits until cmd, and every process that it started,
// has ended: while one of them runs, the pipe that they inherit stays open.
func descendants(t *testing.T, cmd *exec.Cmd) func() {
	t.Helper()
	r, w, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() { _ = r.Close() })
	cmd.ExtraFiles = []*os.File{w}
	return func() {
		t.Helper()
		require.NoError(t, errors.Join(w.Close(), r.SetReadDeadline(time.Now().Add(20*time.Second))))
		_, err := r.Read(make([]byte, 1))
		assert.ErrorIs(t, err, io.EOF, "a process was left behind")
	}
}

func exitCode(t *testing.T, err error) int {
	t.Helper()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	return exit.ExitCode()
}
