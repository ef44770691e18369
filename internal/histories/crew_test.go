package histories_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/redistest"
)

// patience is several times what a process may need to stop.
const patience = time.Minute

// crew is the worker processes of a world. Its methods are for the goroutine of
// the test.
type crew struct {
	t      *testing.T
	plan   assignment // what all are told
	folder string
	hired  int
	places []*place
	read   []*reading // also of those who are dead
}

// place is where a worker process works, one after the other, behind a network
// of its own.
type place struct {
	crew        *crew
	locks, data *redistest.Proxy
	name        string
	ttl         time.Duration
	cmd         *exec.Cmd
	leash       io.Closer // the other end of its standard input
	said        *bytes.Buffer
	busy        bool // with a fault
}

// newCrew employs so many. Those who still work when the test ends are killed.
func newCrew(t *testing.T, n int, plan assignment) *crew {
	t.Helper()
	c := &crew{t: t, plan: plan, folder: t.TempDir()}
	for range n {
		p := &place{crew: c, locks: redistest.NewProxy(t, plan.Locks), data: redistest.NewProxy(t, plan.Data)}
		c.places = append(c.places, p)
		p.hire()
	}
	t.Cleanup(func() {
		for _, p := range c.places {
			if p.cmd != nil {
				p.kill()
			}
		}
		for _, r := range c.read {
			_ = r.file.Close()
		}
	})
	return c
}

// hire starts a process. The leases of processes differ, as they may.
func (p *place) hire() {
	c := p.crew
	c.t.Helper()
	a := c.plan
	c.hired++
	a.Number, a.Process = c.hired, fmt.Sprintf("p%d", c.hired)
	a.Locks, a.Data, a.Log = p.locks.Addr(), p.data.Addr(), filepath.Join(c.folder, a.Process)
	a.TTL += time.Duration(c.hired%3) * a.TTL / 4
	log, err := os.Create(a.Log)
	require.NoError(c.t, err)
	c.read = append(c.read, newReading(a.Process, log))
	encoded, err := json.Marshal(a)
	require.NoError(c.t, err)
	binary, err := os.Executable()
	require.NoError(c.t, err)

	p.name, p.ttl, p.said, p.cmd = a.Process, a.TTL, &bytes.Buffer{}, exec.Command(binary)
	// A binary that counts coverage complains if it has no place to leave it.
	p.cmd.Env = append(os.Environ(), assignmentVariable+"="+string(encoded), "GOCOVERDIR="+c.folder)
	p.cmd.Stderr = p.said
	p.leash, err = p.cmd.StdinPipe()
	require.NoError(c.t, err)
	require.NoError(c.t, p.cmd.Start())
}

// kill ends the process as the kernel ends one that is out of memory. Nothing of
// what it was sending arrives later.
func (p *place) kill() {
	t := p.crew.t
	t.Helper()
	assert.NoError(t, p.cmd.Process.Kill(), "%s ended by itself: %s", p.name, p.said)
	_ = p.cmd.Wait()
	assert.Empty(t, p.said.String(), p.name) // such as a data race
	_ = p.leash.Close()
	p.cmd = nil
	p.heal()
	p.locks.Reset()
	p.data.Reset()
}

func (p *place) heal() {
	p.locks.Heal()
	p.data.Heal()
}

func (p *place) signal(s syscall.Signal) {
	p.crew.t.Helper()
	require.NoError(p.crew.t, p.cmd.Process.Signal(s))
}

// dismiss lets every process finish what it does, and waits for them to end.
func (c *crew) dismiss() {
	c.t.Helper()
	for _, p := range c.places {
		_ = p.leash.Close()
	}
	for _, p := range c.places {
		assert.NoError(c.t, p.cmd.Wait(), "%s: %s", p.name, p.said)
		assert.Empty(c.t, p.said.String(), p.name)
		p.cmd = nil
	}
}

// operations reads on, and counts how many grants, releases and answered writes
// there were so far.
func (c *crew) operations() (n int) {
	c.t.Helper()
	for _, r := range c.read {
		require.NoError(c.t, r.goOn())
		n += len(r.writes) - len(r.pending) + 2*r.entered
	}
	return n
}

// recall puts together what the processes have written down.
func (c *crew) recall(faults []fault) history {
	c.t.Helper()
	c.operations()
	h := history{Seed: c.plan.Seed, Faults: faults}
	for _, r := range c.read {
		for _, a := range r.order {
			h.Attempts = append(h.Attempts, *a)
		}
		for _, w := range r.writes {
			h.Writes = append(h.Writes, *w)
		}
		h.Gaps, h.Faults = append(h.Gaps, r.gaps...), append(h.Faults, r.stalls...)
	}
	return h
}
