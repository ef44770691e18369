package timing_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/redis"
)

const ordersVariable = "EFFECTLOCK_TIMING_PROCESS"

// orders are what a process of holders is told.
type orders struct {
	Addr   string // of the server
	Leases []lease
	Writes bool          // each step writes to the register
	Loops  int           // that begin to spin when all are inside,
	Spin   time.Duration // for so long
}

// follow is the process: it says true when all are inside, and at its end what
// became of each. It returns its exit code.
func follow(encoded string) int {
	var o orders
	if err := json.Unmarshal([]byte(encoded), &o); err != nil {
		fmt.Fprintf(os.Stderr, "%s=%q: %v\n", ordersVariable, encoded, err)
		return 2
	}
	go func() { // no process outlives the test that started it
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(3)
	}()
	client := goredis.NewClient(&goredis.Options{Addr: o.Addr})
	b := redis.New(client)
	var doc *register
	if o.Writes {
		doc = &register{client}
	}
	say := json.NewEncoder(os.Stdout)
	accounts := make([]account, len(o.Leases))
	var holders, inside sync.WaitGroup
	inside.Add(len(o.Leases))
	for i, l := range o.Leases {
		holders.Go(func() { accounts[i] = l.hold(b, doc, inside.Done, func() {}) })
	}
	inside.Wait()
	_ = say.Encode(true)
	for range o.Loops {
		go func() {
			for end := time.Now().Add(o.Spin); time.Now().Before(end); {
			}
		}()
	}
	holders.Wait()
	_ = say.Encode(accounts)
	return 0
}

// process is a process of holders. Its methods are for the goroutine of the test.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	leash io.Closer
	out   *json.Decoder
	said  *bytes.Buffer
	once  sync.Once
}

// launch returns when all holders of a process are inside.
func launch(t *testing.T, o orders) *process {
	t.Helper()
	encoded, err := json.Marshal(o)
	require.NoError(t, err)
	binary, err := os.Executable()
	require.NoError(t, err)
	p := &process{t: t, cmd: exec.Command(binary), said: &bytes.Buffer{}}
	p.cmd.Env = append(os.Environ(), ordersVariable+"="+string(encoded), "GOCOVERDIR="+t.TempDir())
	p.cmd.Stderr = p.said
	p.leash, err = p.cmd.StdinPipe()
	require.NoError(t, err)
	out, err := p.cmd.StdoutPipe()
	require.NoError(t, err)
	p.out = json.NewDecoder(out)
	require.NoError(t, p.cmd.Start())
	t.Cleanup(p.end)
	var inside bool
	require.NoError(t, p.out.Decode(&inside), "%s", p.said)
	return p
}

// accounts waits until all holders have ended.
func (p *process) accounts() (all []account) {
	p.t.Helper()
	require.NoError(p.t, p.out.Decode(&all), "%s", p.said)
	p.end()
	return all
}

// end kills the process if it still runs. It can have a watch of its own only
// where somebody waits for it.
func (p *process) end() {
	p.once.Do(func() {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
		_ = p.leash.Close()
		assert.Empty(p.t, p.said.String()) // such as a data race
	})
}

// stop is SIGSTOP. It waits until all threads have stopped.
func (p *process) stop() {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Signal(syscall.SIGSTOP))
	var status syscall.WaitStatus
	_, err := syscall.Wait4(p.cmd.Process.Pid, &status, syscall.WUNTRACED, nil)
	require.NoError(p.t, err)
	require.True(p.t, status.Stopped(), "%v", status)
}

// resume is SIGCONT.
func (p *process) resume() {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Signal(syscall.SIGCONT))
}
