package soak_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// process is one that follows orders, in one of the run's places. Its methods are
// for the goroutine of the test.
type process struct {
	t       *testing.T
	name    string
	place   int
	journal string
	cmd     *exec.Cmd
	told    io.WriteCloser
	erred   *bytes.Buffer
	heard   map[string]chan struct{} // closed when it has said that
	over    chan struct{}            // closed when it has ended
	err     error                    // how; to be read then
	killed  instant

	mu    sync.Mutex
	words []word
}

// launch starts a process. It is killed, if need be, when the test ends.
func launch(t *testing.T, place, number int, o orders) *process {
	t.Helper()
	p := &process{t: t, place: place, name: fmt.Sprintf("%d.%d", place, number), erred: &bytes.Buffer{}, over: make(chan struct{})}
	p.journal = filepath.Join(o.Journal, p.name)
	o.Journal = p.journal
	p.heard = map[string]chan struct{}{}
	for _, event := range []string{"ready", "quiet", "ended"} {
		p.heard[event] = make(chan struct{})
	}
	encoded, err := json.Marshal(o)
	require.NoError(t, err)
	binary, err := os.Executable()
	require.NoError(t, err)
	p.cmd = exec.Command(binary)
	// A binary that counts coverage complains if it has no place to leave it.
	p.cmd.Env = append(os.Environ(), ordersVariable+"="+string(encoded), "GOCOVERDIR="+o.Journal+".cover")
	require.NoError(t, os.Mkdir(o.Journal+".cover", 0o700))
	p.cmd.Stderr = p.erred
	p.told, err = p.cmd.StdinPipe()
	require.NoError(t, err)
	out, err := p.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())
	go p.listen(out)
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		_ = p.told.Close()
		<-p.over
	})
	return p
}

func (p *process) listen(out io.Reader) {
	defer close(p.over)
	for lines := json.NewDecoder(out); ; {
		var w word
		if lines.Decode(&w) != nil {
			break // it has ended
		}
		p.mu.Lock()
		p.words = append(p.words, w)
		p.mu.Unlock()
		if heard, ok := p.heard[w.Event]; ok {
			close(heard)
		}
	}
	p.err = p.cmd.Wait()
}

// said is what the process has said so far of a kind.
func (p *process) said(event string) (all []word) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.words {
		if w.Event == event {
			all = append(all, w)
		}
	}
	return all
}

// last is how the process was when it last said so.
func (p *process) last() (last word) {
	for _, w := range append(p.said("sample"), p.said("quiet")...) {
		if w.At > last.At {
			last = w
		}
	}
	return last
}

// tell gives a command.
func (p *process) tell(command string) {
	p.t.Helper()
	_, err := fmt.Fprintln(p.told, command)
	assert.NoError(p.t, err, "telling process %s to %s", p.name, command)
}

// kill ends the process as the kernel ends one that is out of memory.
func (p *process) kill() {
	p.killed = clock()
	_ = p.cmd.Process.Kill()
	<-p.over
}

// stop is SIGSTOP. It waits until all threads have stopped, which takes until each
// of them has been scheduled once more.
func (p *process) stop() {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Signal(syscall.SIGSTOP))
	var status syscall.WaitStatus
	_, err := syscall.Wait4(p.cmd.Process.Pid, &status, syscall.WUNTRACED, nil)
	require.NoError(p.t, err)
	require.True(p.t, status.Stopped(), "%v: %s", status, p.erred)
}

// resume is SIGCONT.
func (p *process) resume() {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Signal(syscall.SIGCONT))
}

// isAlive asserts that the process runs, or that the test has killed it.
func (p *process) isAlive() {
	p.t.Helper()
	select {
	case <-p.over:
		require.NotZero(p.t, p.killed, "process %s ended by itself: %v\n%s", p.name, p.err, p.erred)
	default:
	}
}
