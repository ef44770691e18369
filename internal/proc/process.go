package proc

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Process is a running worker. Its lines are decoded as values of W. Its methods fail the
// test that started it; except for Said and Ended, call them from that test's goroutine.
type Process[W any] struct {
	t      testing.TB
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stderr bytes.Buffer
	ended  chan struct{} // closed when it has ended
	err    error         // how it ended; may be read once ended is closed
	killed bool

	mu   sync.Mutex
	said []W
	more chan struct{} // closed, and replaced, when it says more
	next int           // the index in said of the next line for Next
}

// Start starts a worker with its orders, which are encoded as JSON. A worker that still runs
// when the test ends is killed. env is added to its environment.
func Start[W any](t testing.TB, worker string, orders any, env ...string) *Process[W] {
	t.Helper()
	encoded, err := json.Marshal(orders)
	check(t, err)
	binary, err := os.Executable()
	check(t, err)
	p := &Process[W]{t: t, cmd: exec.Command(binary), ended: make(chan struct{}), more: make(chan struct{})}
	// A binary that counts coverage complains if it has nowhere to write it.
	p.cmd.Env = append(os.Environ(), workerVariable+"="+worker, ordersVariable+"="+string(encoded), "GOCOVERDIR="+t.TempDir())
	p.cmd.Env = append(p.cmd.Env, env...)
	p.cmd.Stderr = &p.stderr
	p.stdin, err = p.cmd.StdinPipe()
	check(t, err)
	out, err := p.cmd.StdoutPipe()
	check(t, err)
	check(t, p.cmd.Start())
	go p.listen(out)
	t.Cleanup(p.Kill)
	return p
}

func (p *Process[W]) listen(out io.Reader) {
	defer close(p.ended)
	for lines := json.NewDecoder(out); ; {
		var w W
		if lines.Decode(&w) != nil {
			break // the process has ended: that closes the pipe
		}
		p.mu.Lock()
		p.said = append(p.said, w)
		close(p.more)
		p.more = make(chan struct{})
		p.mu.Unlock()
	}
	p.err = p.cmd.Wait()
}

// Said returns what the process has said so far.
func (p *Process[W]) Said() []W {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clip(p.said)
}

// Next waits for the next line, but no longer than limit. ok is false if there is none by then.
func (p *Process[W]) Next(limit time.Duration) (w W, ok bool) {
	p.t.Helper()
	for timeout := time.After(limit); ; {
		p.mu.Lock()
		said, more := p.said[p.next:], p.more
		if len(said) > 0 {
			p.next++
		}
		p.mu.Unlock()
		if len(said) > 0 {
			return said[0], true
		}
		select {
		case <-more:
		case <-timeout:
			return w, false
		case <-p.ended: // a line may still be left
			p.mu.Lock()
			done := p.next == len(p.said)
			p.mu.Unlock()
			if done {
				return w, false
			}
		}
	}
}

// Await waits for a line that is wanted, and returns the first one.
func (p *Process[W]) Await(what string, limit time.Duration, wanted func(W) bool) W {
	p.t.Helper()
	for give := time.Now().Add(limit); ; {
		p.mu.Lock()
		said, more := p.said, p.more
		p.mu.Unlock()
		if i := slices.IndexFunc(said, wanted); i >= 0 {
			return said[i]
		}
		select {
		case <-more:
		case <-p.ended:
			if all := p.Said(); slices.ContainsFunc(all, wanted) {
				continue
			}
			p.t.Fatalf("process %d ended before %s: %v\n%s", p.Pid(), what, p.err, p.stderr.String())
		case <-time.After(time.Until(give)):
			p.t.Fatalf("process %d: no %s after %v", p.Pid(), what, limit)
		}
	}
}

// Pid returns the process id.
func (p *Process[W]) Pid() int { return p.cmd.Process.Pid }

// Send sends the worker a line.
func (p *Process[W]) Send(line string) {
	p.t.Helper()
	_, err := fmt.Fprintln(p.stdin, line)
	if err != nil {
		p.t.Errorf("sending to process %d: %v", p.Pid(), err)
	}
}

// Finish asks the worker to begin nothing new.
func (p *Process[W]) Finish() { p.t.Helper(); p.Send(finishWord) }

// Dismiss asks the worker to end.
func (p *Process[W]) Dismiss() { _ = p.stdin.Close() }

// End asks the worker to end, waits until it has, and fails the test if it did not end well.
func (p *Process[W]) End() {
	p.t.Helper()
	p.Dismiss()
	<-p.ended
	if p.err != nil && !p.killed {
		p.t.Errorf("process %d: %v", p.Pid(), p.err)
	}
	p.complain()
}

// complain fails the test if the process, which has ended, has reported something, such as
// a data race.
func (p *Process[W]) complain() {
	p.t.Helper()
	if p.stderr.Len() > 0 {
		p.t.Errorf("process %d: %s", p.Pid(), p.stderr.String())
		p.stderr.Reset()
	}
}

// Ended reports whether the process has ended.
func (p *Process[W]) Ended() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// Kill ends the process with SIGKILL, as the kernel does when memory runs out. It fails the
// test if the process has reported something. A second Kill does nothing.
func (p *Process[W]) Kill() {
	p.t.Helper()
	p.killed = !p.Ended()
	_ = p.cmd.Process.Kill()
	<-p.ended
	_ = p.stdin.Close()
	p.complain()
}

// Stop sends SIGSTOP. It waits until all threads have stopped, for which each of them must
// be scheduled once more.
func (p *Process[W]) Stop() {
	p.t.Helper()
	check(p.t, p.cmd.Process.Signal(syscall.SIGSTOP))
	var status syscall.WaitStatus
	_, err := syscall.Wait4(p.Pid(), &status, syscall.WUNTRACED, nil)
	check(p.t, err)
	if !status.Stopped() {
		p.t.Fatalf("process %d is not stopped: %v", p.Pid(), status)
	}
}

// Continue sends SIGCONT.
func (p *Process[W]) Continue() { p.t.Helper(); check(p.t, p.cmd.Process.Signal(syscall.SIGCONT)) }

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("proc: %v", err)
	}
}
