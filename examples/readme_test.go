package examples_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/redistest"
)

// TestProgramsOfTheREADMERunInAnEmptyModule pastes each complete program in the README into an
// empty module, changes nothing but the addresses, and runs it.
func TestProgramsOfTheREADMERunInAnEmptyModule(t *testing.T) {
	t.Parallel()
	redistest.Start(t).Kill() // without redis-server, this skips the test before anything is built
	programs := pasted(t)
	for name, exercise := range map[string]func(*testing.T, *program){
		"examples/first/main.go":                    countsAReport,
		"examples/recipes/nightlyjob/main.go":       runsAtNightUntilItIsStopped,
		"examples/recipes/twoseconds/main.go":       givesUpAfterTwoSeconds,
		"examples/recipes/http423/main.go":          answersLocked,
		"examples/recipes/metrics/main.go":          servesItsCounts,
		"examples/recipes/shutdown/main.go":         releasesWhenItIsStopped,
		"examples/recipes/faketime/publish_test.go": passesItsTests,
	} {
		code := programs[name]
		delete(programs, name)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.NotEmpty(t, code, "it is not in the README")
			p := &program{name: name, code: code}
			exercise(t, p)
		})
	}
	assert.Empty(t, programs, "these programs of the README are not run")
}

var (
	marked  = regexp.MustCompile("(?s)<!-- snippet: (\\S+) -->\n```go\n(package .*?)```\n")
	seconds = map[string]string{ // for days
		"now.Day()": "now.Second()",
		"time.Date(now.Year(), now.Month(), day, 3, 0, 0, 0, now.Location())": "time.Date(now.Year(), now.Month(), now.Day(), now.Hour(), now.Minute(), day, 0, now.Location())",
		"time.DateOnly": "time.DateTime",
		"time.Minute":   "time.Second / 10",
	}
)

// pasted returns the complete programs in the README, keyed by their source files.
func pasted(t *testing.T) map[string]string {
	t.Helper()
	readme, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	programs := map[string]string{}
	for _, m := range marked.FindAllSubmatch(readme, -1) {
		programs[string(m[1])] = string(m[2])
	}
	return programs
}

// program is a program from the README, which runs with addresses that belong to this test.
type program struct {
	name, code string
	redis      *redistest.Server
	client     *goredis.Client
	addr       string // of Redis, as the program sees it
	http       string // the address that it listens on
	*exec.Cmd
	out *output
}

// start builds the program in an empty module, and starts it, with a server of its own.
func (p *program) start(t *testing.T) {
	t.Helper()
	p.serve(t)
	p.again(t)
}

// serve starts a server for the program.
func (p *program) serve(t *testing.T) {
	t.Helper()
	p.redis = redistest.Start(t)
	p.client, p.addr = p.redis.Client(t), p.redis.Addr()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p.http = free.Addr().String()
	require.NoError(t, free.Close())
}

// again starts the program with the same addresses as before.
func (p *program) again(t *testing.T) {
	t.Helper()
	dir := p.module(t, "main.go", strings.NewReplacer("localhost:6379", p.addr, "localhost:8080", p.http).Replace(p.code))
	said, err := run(dir, "go", "build", "-o", "program", ".")
	require.NoError(t, err, "%s", said)
	p.Cmd, p.out = command(t, filepath.Join(dir, "program")), new(output)
	p.Stdout, p.Stderr = p.out, p.out
	require.NoError(t, p.Start())
	started := p.Cmd
	t.Cleanup(func() { _ = started.Process.Kill(); _ = started.Wait() }) // if it is still running
}

// module makes a module with one file, in which this repository replaces the published module.
func (p *program) module(t *testing.T, file, code string) string {
	t.Helper()
	root, err := filepath.Abs("..")
	require.NoError(t, err)
	sums, err := os.ReadFile("../go.sum")
	require.NoError(t, err)
	dir := t.TempDir()
	const module = "github.com/effectlock/effectlock"
	for name, text := range map[string]string{
		file:     code,
		"go.sum": string(sums),
		"go.mod": fmt.Sprintf("module empty\n\ngo 1.26.0\n\nrequire %s v0.0.0\n\nreplace %s => %s\n", module, module, root),
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	return dir
}

func run(dir, name string, arguments ...string) ([]byte, error) {
	cmd := exec.Command(name, arguments...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod")
	return cmd.CombinedOutput()
}

// output waits until the program ends, and returns what it printed.
func (p *program) output(t *testing.T) string {
	t.Helper()
	require.NoError(t, p.Wait(), "%s", p.out)
	return p.out.String()
}

// counted waits until a counter in Redis is at least n.
func (p *program) counted(t *testing.T, counter string, n int) {
	t.Helper()
	require.Eventually(t, func() bool {
		got, _ := p.client.Get(t.Context(), counter).Int()
		return got >= n
	}, 30*time.Second, 10*time.Millisecond, "%s is less than %d", counter, n)
}

// lockedByAnother locks a key in the way that another library would.
func (p *program) lockedByAnother(t *testing.T, key string) {
	t.Helper()
	require.NoError(t, p.client.Set(t.Context(), "dmutex:"+key, "another", time.Minute).Err())
}

func countsAReport(t *testing.T, p *program) {
	assert.LessOrEqual(t, lines(p.code), 15, "lines that are not blank")
	p.start(t)
	assert.Equal(t, "error: <nil>\n", p.output(t))
	assert.Equal(t, "1", p.client.Get(t.Context(), "reports").Val())
}

func lines(code string) (n int) {
	for line := range strings.Lines(code) {
		if strings.TrimSpace(line) != "" {
			n++
		}
	}
	return n
}

// In this test a night is a second long. Two processes write one report each night, also when
// the job fails at first. They are stopped between two nights.
func runsAtNightUntilItIsStopped(t *testing.T, p *program) {
	for text, other := range seconds {
		require.Contains(t, p.code, text)
		p.code = strings.Replace(p.code, text, other, 1)
	}
	p.serve(t)
	require.NoError(t, p.client.Set(t.Context(), "reports", "no number", 0).Err())
	p.again(t)
	second := &program{code: p.code, redis: p.redis, client: p.client, addr: p.addr}
	second.again(t)
	says := func(process *program, text string) {
		t.Helper()
		require.Eventually(t, func() bool { return strings.Contains(process.out.String(), text) }, 30*time.Second, 10*time.Millisecond, "%s", process.out)
	}
	says(p, "error: ERR value is not an integer")
	failed, _, _ := strings.Cut(strings.SplitAfterN(p.out.String(), " ", 3)[2], ", error")
	require.NoError(t, p.client.Del(t.Context(), "reports").Err())
	says(p, failed+", error: <nil>")
	says(second, "error: <nil>")
	marks := func() []string { return p.client.Keys(t.Context(), "report of *").Val() }
	enough := len(marks()) + 2
	require.Eventually(t, func() bool { return len(marks()) >= enough }, 30*time.Second, 10*time.Millisecond)
	for _, process := range []*program{p, second} {
		require.NoError(t, process.Process.Signal(syscall.SIGTERM))
		process.output(t)
	}
	assert.Equal(t, strconv.Itoa(len(marks())), p.client.Get(t.Context(), "reports").Val(), marks())
	assert.Contains(t, marks(), failed)
	assert.Zero(t, p.client.Exists(t.Context(), "dmutex:nightly-report").Val())
}

func givesUpAfterTwoSeconds(t *testing.T, p *program) {
	p.start(t)
	assert.Equal(t, "paid\n", p.output(t))
	p.losesAReply(t, "balance-7")
	assert.Contains(t, p.output(t), "check the account before you pay again")
	assert.Equal(t, "-200", p.client.Get(t.Context(), "balance-7").Val(), "it paid once more, not twice")
	p.lockedByAnother(t, "account-7")
	p.again(t)
	assert.Contains(t, p.output(t), `busy, try again: lock "account-7" was not acquired within 2`)
	assert.Equal(t, "-200", p.client.Get(t.Context(), "balance-7").Val())
	p.redis.Freeze()
	p.again(t)
	assert.Contains(t, p.output(t), `Redis failed: tryAcquire of lock "account-7" failed: timed out after 2s`)
}

func answersLocked(t *testing.T, p *program) {
	p.start(t)
	pay := func() int { return p.post(t, "/accounts/7/pay") }
	assert.Equal(t, http.StatusOK, pay())
	p.lockedByAnother(t, "account-7")
	assert.Equal(t, http.StatusLocked, pay())
	require.NoError(t, p.client.Del(t.Context(), "dmutex:account-7").Err())
	p.losesAReply(t, "balance-7")
	assert.Equal(t, http.StatusInternalServerError, pay())
	assert.Equal(t, "-200", p.client.Get(t.Context(), "balance-7").Val(), "it paid once more, not twice")
	p.redis.Kill()
	assert.Equal(t, http.StatusServiceUnavailable, pay())
}

// losesAReply starts the program again, and drops the next reply to a command on a key.
func (p *program) losesAReply(t *testing.T, key string) {
	t.Helper()
	_, _ = p.Process.Kill(), p.Wait() // if it is still running
	proxy := redistest.NewProxy(t, p.redis.Addr())
	proxy.DropReplies(1, key)
	p.addr = proxy.Addr()
	p.again(t)
}

// post repeats its request until the program listens.
func (p *program) post(t *testing.T, path string) (status int) {
	t.Helper()
	require.Eventually(t, func() bool {
		response, err := http.Post("http://"+p.http+path, "", nil)
		if err != nil {
			return false
		}
		status = response.StatusCode
		return response.Body.Close() == nil
	}, 30*time.Second, 10*time.Millisecond)
	return status
}

func servesItsCounts(t *testing.T, p *program) {
	p.start(t)
	p.counted(t, "imports", 1)
	require.Eventually(t, func() bool {
		response, err := http.Get("http://" + p.http + "/debug/vars")
		if err != nil {
			return false
		}
		defer response.Body.Close()
		said, err := io.ReadAll(response.Body)
		return err == nil && bytes.Contains(said, []byte(`"acquired": 1, "backing failed": 0, "released": 1, "seconds held": `))
	}, 30*time.Second, 10*time.Millisecond)
}

func releasesWhenItIsStopped(t *testing.T, p *program) {
	p.start(t)
	p.counted(t, "consumed", 1)
	assert.EqualValues(t, 1, p.client.Exists(t.Context(), "dmutex:consumer").Val())
	require.NoError(t, p.Process.Signal(syscall.SIGTERM))
	assert.Equal(t, "error: <nil>\n", p.output(t))
	assert.Zero(t, p.client.Exists(t.Context(), "dmutex:consumer").Val())
}

func passesItsTests(t *testing.T, p *program) {
	said, err := run(p.module(t, "publish_test.go", p.code), "go", "test", ".")
	require.NoError(t, err, "%s", said)
}
