package contention_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A crew is the worker processes of a trial. Its methods are for the
// goroutine of the test.
type crew struct {
	t       *testing.T
	hired   int
	working []*process // the longest-serving first

	mu      sync.Mutex
	reports []report
}

type process struct {
	name  string
	cmd   *exec.Cmd
	leash io.Closer // the other end of its standard input
	said  *bytes.Buffer
	ended chan struct{}
	err   error // how it ended; to be read when it has
}

// newCrew employs nobody yet. Whoever works for it is killed when the test ends.
func newCrew(t *testing.T) *crew {
	t.Helper()
	c := &crew{t: t}
	t.Cleanup(func() {
		for len(c.working) > 0 {
			c.kill(c.working[0])
		}
	})
	return c
}

// hire starts a worker process.
func (c *crew) hire(a assignment) {
	c.t.Helper()
	c.hired++
	a.Process = fmt.Sprintf("p%d", c.hired)
	encoded, err := json.Marshal(a)
	require.NoError(c.t, err)
	binary, err := os.Executable()
	require.NoError(c.t, err)

	p := &process{name: a.Process, cmd: exec.Command(binary), said: &bytes.Buffer{}, ended: make(chan struct{})}
	// A binary that counts coverage complains if it has no place to leave it.
	p.cmd.Env = append(os.Environ(), assignmentVariable+"="+string(encoded), "GOCOVERDIR="+c.t.TempDir())
	p.cmd.Stderr = p.said
	p.leash, err = p.cmd.StdinPipe()
	require.NoError(c.t, err)
	out, err := p.cmd.StdoutPipe()
	require.NoError(c.t, err)
	require.NoError(c.t, p.cmd.Start())
	c.working = append(c.working, p)
	go func() {
		defer close(p.ended)
		for lines := json.NewDecoder(out); ; {
			var r report
			if err := lines.Decode(&r); err != nil {
				break // the process has ended: it closes the pipe by that alone
			}
			c.mu.Lock()
			c.reports = append(c.reports, r)
			c.mu.Unlock()
		}
		p.err = p.cmd.Wait()
	}()
}

// kill ends a process as the kernel ends one that is out of memory.
func (c *crew) kill(p *process) {
	assert.NoError(c.t, p.cmd.Process.Kill(), "%s ended by itself: %s", p.name, p.said)
	<-p.ended
	assert.Empty(c.t, p.said.String(), p.name) // such as a data race
	_ = p.leash.Close()
	c.working = slices.DeleteFunc(c.working, func(other *process) bool { return other == p })
}

// dismiss lets every process finish what it does, and waits for them to end.
func (c *crew) dismiss() {
	c.t.Helper()
	for _, p := range c.working {
		_ = p.leash.Close()
	}
	for _, p := range c.working {
		<-p.ended
		assert.NoError(c.t, p.err, "%s: %s", p.name, p.said)
	}
	c.working = nil
}

// acknowledged is how many increments the workers have been told to be done.
func (c *crew) acknowledged() (n int) {
	for _, r := range c.heard() {
		if r.Error == "" {
			n++
		}
	}
	return n
}

// served reports whether each process has had the lock since there were so many
// reports.
func (c *crew) served(since int) bool {
	had := map[string]bool{}
	for _, r := range c.heard()[since:] {
		had[r.Process] = had[r.Process] || r.Error == ""
	}
	for _, p := range c.working {
		if !had[p.name] {
			return false
		}
	}
	return true
}

// heard is what the workers have reported.
func (c *crew) heard() []report {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clip(c.reports)
}
