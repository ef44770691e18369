package hazards_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
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

// orders are what a process is told.
type orders struct {
	Addr string // of the server
	TTL  time.Duration
}

// word is what a process says: that it waits, is inside, is cancelled, or has ended.
type word struct {
	Event string
	Token uint64
	Error string
}

// follow is a process that wants the lock and keeps it until its standard input
// closes, be it because the test that started it has ended. It returns its exit code.
func follow(encoded string) int {
	var o orders
	if err := json.Unmarshal([]byte(encoded), &o); err != nil {
		fmt.Fprintf(os.Stderr, "%s=%q: %v\n", ordersVariable, encoded, err)
		return 2
	}
	say := func(w word) { _ = json.NewEncoder(os.Stdout).Encode(w) }
	m, err := mutex.New(redis.New(goredis.NewClient(&goredis.Options{Addr: o.Addr})), key, mutex.Config{
		TTL: o.TTL,
		Observer: func(e mutex.Event) {
			if e.Kind == mutex.Waiting {
				say(word{Event: "waiting"})
			}
		},
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
		time.Sleep(patience)
		fmt.Fprintln(os.Stderr, "did not stop")
		os.Exit(3)
	}()
	_, err = mutex.WithLock(m, func(ctx context.Context) (struct{}, error) {
		lock, _ := mutex.FromContext(ctx)
		say(word{Event: "inside", Token: lock.Token()})
		<-ctx.Done()
		say(word{Event: "cancelled"})
		return struct{}{}, ctx.Err()
	})(ctx)
	say(word{Event: "ended", Error: fmt.Sprint(err)})
	return 0
}

// process is a process that follows orders. Its methods are for the goroutine of
// the test.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	leash io.Closer // the other end of its standard input
	said  *bytes.Buffer
	words chan word // closed when it has ended
	err   error     // how; to be read then
}

// launch starts a process. It is killed, if need be, when the test ends.
func launch(t *testing.T, o orders) *process {
	t.Helper()
	encoded, err := json.Marshal(o)
	require.NoError(t, err)
	binary, err := os.Executable()
	require.NoError(t, err)
	p := &process{t: t, cmd: exec.Command(binary), said: &bytes.Buffer{}, words: make(chan word, 100)}
	// A binary that counts coverage complains if it has no place to leave it.
	p.cmd.Env = append(os.Environ(), ordersVariable+"="+string(encoded), "GOCOVERDIR="+t.TempDir())
	p.cmd.Stderr = p.said
	p.leash, err = p.cmd.StdinPipe()
	require.NoError(t, err)
	out, err := p.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())
	go func() {
		defer close(p.words)
		for lines := json.NewDecoder(out); ; {
			var w word
			if lines.Decode(&w) != nil {
				break // the process has ended: it closes the pipe by that alone
			}
			p.words <- w
		}
		p.err = p.cmd.Wait()
	}()
	t.Cleanup(p.kill)
	return p
}

// says waits until the process says that, and nothing else before.
func (p *process) says(event string, limit time.Duration) word {
	p.t.Helper()
	select {
	case w, ok := <-p.words:
		require.True(p.t, ok, "ended instead of %q: %s", event, p.said)
		require.Equal(p.t, event, w.Event, "%+v", w)
		return w
	case <-time.After(limit):
		require.FailNow(p.t, "does not say "+event, "after %v", limit)
		return word{}
	}
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
	p.signal(syscall.SIGSTOP)
	var status syscall.WaitStatus
	_, err := syscall.Wait4(p.cmd.Process.Pid, &status, syscall.WUNTRACED, nil)
	require.NoError(p.t, err)
	require.True(p.t, status.Stopped(), "%v", status)
}

// resume is SIGCONT.
func (p *process) resume() { p.t.Helper(); p.signal(syscall.SIGCONT) }

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Signal(s))
}

// dismiss has the process let go of the lock and end.
func (p *process) dismiss() {
	p.t.Helper()
	_ = p.leash.Close()
	limit := time.After(patience)
	for {
		select {
		case _, ok := <-p.words:
			if !ok {
				assert.NoError(p.t, p.err, "%s", p.said)
				return
			}
		case <-limit:
			require.FailNow(p.t, "did not end")
		}
	}
}
