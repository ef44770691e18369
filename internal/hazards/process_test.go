package hazards_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
)

const ordersVariable = "EFFECTLOCK_HAZARDS_PROCESS"

// orders are what a process is to do with a lock: to keep it until its standard input closes, be it
// because the test that started it has ended, or to spin for a while on one thread.
type orders struct {
	Addr   string // of the server
	Key    string
	TTL    time.Duration
	Spin   time.Duration
	Others int  // goroutines that spin as long
	Alone  bool // nothing preempts what spins
}

// word is what a process says: that it waits, is inside, is cancelled, or has ended.
type word struct {
	Event string
	Token uint64
	Error string
	Lost  mutex.LossReason
	Owned bool // whether the store said at the end of the work that it had the lock
}

// A process is this binary again, so that the lock in it was built from the same code and with
// the same -race. It begins here, and not in TestMain, because a program that must not be preempted
// cannot have started anything else.
func init() {
	encoded, ok := os.LookupEnv(ordersVariable)
	if !ok {
		return
	}
	var o orders
	err := json.Unmarshal([]byte(encoded), &o)
	if err == nil {
		err = o.follow()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	os.Exit(0)
}

func (o orders) follow() error {
	say := func(w word) { _ = json.NewEncoder(os.Stdout).Encode(w) }
	client := goredis.NewClient(&goredis.Options{Addr: o.Addr})
	m, err := mutex.New(redis.New(client), o.Key, mutex.Config{TTL: o.TTL, Observer: func(e mutex.Event) {
		if e.Kind == mutex.Waiting {
			say(word{Event: "waiting"})
		}
	}})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	work := func(ctx context.Context) (none struct{}, err error) {
		lock, _ := mutex.FromContext(ctx)
		say(word{Event: "inside", Token: lock.Token()})
		<-ctx.Done()
		say(word{Event: "cancelled"})
		return none, ctx.Err()
	}
	ended := word{Event: "ended"}
	if o.Spin > 0 {
		rounds := measure() * int(o.Spin/time.Millisecond)
		work = func(ctx context.Context) (none struct{}, err error) {
			lock, _ := mutex.FromContext(ctx)
			ended.Token = lock.Token()
			for range o.Others {
				go spin(rounds)
			}
			spin(rounds)
			owner, err := client.Get(context.WithoutCancel(ctx), lockKey(o.Key)).Result()
			ended.Owned = err == nil && owner == lock.HolderID()
			return none, nil
		}
	} else {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			cancel()
			time.Sleep(soon)
			fmt.Fprintln(os.Stderr, "did not stop")
			os.Exit(3)
		}()
	}
	if _, err = mutex.WithLock(m, work)(ctx); err != nil {
		ended.Error = err.Error()
		if lost, ok := errors.AsType[*mutex.LockLostError](err); ok {
			ended.Lost = lost.Reason
		}
	}
	say(ended)
	return nil
}

// spin calls no function, so only a signal can make it yield.
func spin(rounds int) {
	sum := uint32(1)
	for i := range rounds {
		sum = sum*1664525 + uint32(i) //nolint:gosec // it may overflow
	}
	spun.Store(sum)
}

var spun atomic.Uint32 // so that the compiler does not see through it

// measure is how many rounds take about a millisecond: at the best of several
// times, for a loaded machine is slower at any.
func measure() int {
	const rounds = 1_000_000
	best := time.Second
	for range 20 {
		began := time.Now()
		spin(rounds)
		best = min(best, time.Since(began))
	}
	return rounds * int(time.Millisecond) / int(best)
}

// process is a process that follows orders. Its methods are for the goroutine of
// the test.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	leash io.Closer // the other end of its standard input
	said  *bytes.Buffer
	words chan word // closed when it has ended
}

// launch starts a process that wants the lock of the test. It is killed, if need be, when the
// test ends.
func (s store) launch(o orders) *process {
	s.t.Helper()
	o.Addr, o.Key = s.Addr(), s.key
	encoded, err := json.Marshal(o)
	require.NoError(s.t, err)
	binary, err := os.Executable()
	require.NoError(s.t, err)
	p := &process{t: s.t, cmd: exec.Command(binary), said: &bytes.Buffer{}, words: make(chan word, 100)}
	// A binary that counts coverage complains if it has no place to leave it.
	p.cmd.Env = append(os.Environ(), ordersVariable+"="+string(encoded), "GOCOVERDIR="+s.t.TempDir())
	if o.Spin > 0 {
		p.cmd.Env = append(p.cmd.Env, "GOMAXPROCS=1")
	}
	if o.Alone {
		p.cmd.Env = append(p.cmd.Env, "GODEBUG=asyncpreemptoff=1")
	}
	p.cmd.Stderr = p.said
	p.leash, err = p.cmd.StdinPipe()
	require.NoError(s.t, err)
	out, err := p.cmd.StdoutPipe()
	require.NoError(s.t, err)
	require.NoError(s.t, p.cmd.Start())
	go func() {
		defer close(p.words)
		for lines := json.NewDecoder(out); ; {
			var w word
			if lines.Decode(&w) != nil {
				break // the process has ended: it closes the pipe by that alone
			}
			p.words <- w
		}
		_ = p.cmd.Wait()
	}()
	s.t.Cleanup(p.kill)
	return p
}

// says waits until the process says that, and nothing else before.
func (p *process) says(event string) word {
	p.t.Helper()
	w := receive(p.t, p.words, event)
	require.Equal(p.t, event, w.Event, "%+v: %s", w, p.said)
	return w
}

// isLost waits until the process has been cancelled and has lost its lock by its own clock.
func (p *process) isLost() {
	p.t.Helper()
	p.says("cancelled")
	assert.Equal(p.t, mutex.Expired, p.says("ended").Lost)
}

// isSilent asserts that the process says nothing for so long.
func (p *process) isSilent(d time.Duration) {
	p.t.Helper()
	select {
	case w := <-p.words:
		require.Fail(p.t, "said something", "%+v", w)
	case <-time.After(d):
	}
}

// kill ends the process as the kernel ends one that is out of memory. A second
// time does nothing.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	for range p.words {
		// What it has said does not matter any more.
	}
	_ = p.leash.Close()
	assert.Empty(p.t, p.said.String()) // such as a data race
}

// stop is SIGSTOP. It waits until all threads have stopped, which takes until each
// of them has been scheduled once more.
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

// dismiss makes the process let go of the lock and end.
func (p *process) dismiss() {
	p.t.Helper()
	_ = p.leash.Close()
	p.says("cancelled")
	p.says("ended")
}
