package contention_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
)

const queueVariable = "EFFECTLOCK_QUEUE_WORKER"

// A turn is one time that somebody had the lock. The processes of one machine
// share a clock.
type turn struct {
	Process, Goroutine int
	Asked, Began, Done int64 // nanoseconds
	Token              uint64
}

// duty is what a process is told that only waits in line.
type duty struct {
	Process, Goroutines int
	Lock                string // the address of the store
}

// queueUp is such a process, from beginning to end. Each goroutine locks again and
// again until standard input closes; then standard output has all turns.
func queueUp(encoded string) int {
	var d duty
	if err := json.Unmarshal([]byte(encoded), &d); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	client := goredis.NewClient(&goredis.Options{Addr: d.Lock})
	defer client.Close()
	m, err := mutex.New(redis.New(client), "queue", mutex.Config{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	var stopping atomic.Bool
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stopping.Store(true)
	}()
	turns := make([][]turn, d.Goroutines)
	var running sync.WaitGroup
	var once sync.Once
	for g := range d.Goroutines {
		running.Go(func() {
			for !stopping.Load() {
				now := turn{Process: d.Process, Goroutine: g, Asked: time.Now().UnixNano()}
				_, err := mutex.WithLock(m, func(ctx context.Context) (effect.Void, error) {
					held, _ := mutex.FromContext(ctx)
					now.Began, now.Token = time.Now().UnixNano(), held.Token()
					time.Sleep(time.Millisecond)
					now.Done = time.Now().UnixNano()
					return effect.Void{}, nil
				})(context.Background())
				if err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(5)
				}
				turns[g] = append(turns[g], now)
				once.Do(func() { fmt.Println("{}") }) // up and running
			}
		})
	}
	running.Wait()
	if err := json.NewEncoder(os.Stdout).Encode(turns); err != nil {
		return 4
	}
	return 0
}

// inLine is a running process that waits in line.
type inLine struct {
	cmd   *exec.Cmd
	leash io.Closer
	said  *bytes.Buffer
	out   *json.Decoder
}

func sendToQueue(t *testing.T, d duty) *inLine {
	t.Helper()
	encoded, err := json.Marshal(d)
	require.NoError(t, err)
	binary, err := os.Executable()
	require.NoError(t, err)
	p := &inLine{cmd: exec.Command(binary), said: &bytes.Buffer{}}
	p.cmd.Env = append(os.Environ(), queueVariable+"="+string(encoded), "GOCOVERDIR="+t.TempDir())
	p.cmd.Stderr = p.said
	p.leash, err = p.cmd.StdinPipe()
	require.NoError(t, err)
	out, err := p.cmd.StdoutPipe()
	require.NoError(t, err)
	p.out = json.NewDecoder(out)
	require.NoError(t, p.cmd.Start())
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	})
	return p
}

// started waits until the process has had the lock once.
func (p *inLine) started(t *testing.T) {
	t.Helper()
	var up struct{}
	require.NoError(t, p.out.Decode(&up), "%s", p.said)
}

// finish reads what the process has seen.
func (p *inLine) finish(t *testing.T) (turns []turn) {
	t.Helper()
	var each [][]turn
	require.NoError(t, p.out.Decode(&each), "%s", p.said)
	require.NoError(t, p.cmd.Wait(), "%s", p.said)
	for _, of := range each {
		turns = append(turns, of...)
	}
	return turns
}
