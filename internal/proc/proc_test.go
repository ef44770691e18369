package proc_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/effectlock/effectlock/internal/proc"
)

const limit = time.Minute

func TestMain(m *testing.M) {
	proc.Serve(map[string]proc.Worker{"parrot": parrot})
	goleak.VerifyTestMain(m)
}

// parrot says its orders, then each line it is sent, and how it ends.
func parrot(p *proc.Parent) int {
	var first string
	p.Orders(&first)
	p.Handle(func(line string) { p.Say(line) })
	p.Say(first)
	<-p.Running().Done()
	p.Say("finishes")
	<-p.Present().Done()
	p.Say("ends")
	return 0
}

func says(t *testing.T, p *proc.Process[string], want string) {
	t.Helper()
	got, ok := p.Next(limit)
	require.True(t, ok, "no %q", want)
	require.Equal(t, want, got)
}

func TestAWorkerGetsOrdersAndIsAskedToFinishAndToEnd(t *testing.T) {
	t.Parallel()
	p := proc.Start[string](t, "parrot", "hello")
	says(t, p, "hello")
	p.Send("more")
	says(t, p, "more")
	p.Finish()
	assert.Equal(t, "finishes", p.Await("the finish", limit, func(s string) bool { return s == "finishes" }))
	says(t, p, "finishes")
	p.End()
	says(t, p, "ends")
	_, more := p.Next(limit)
	assert.False(t, more)
	assert.Equal(t, []string{"hello", "more", "finishes", "ends"}, p.Said())
	assert.True(t, p.Ended())
}

func TestAWorkerIsStoppedContinuedAndKilled(t *testing.T) {
	t.Parallel()
	p := proc.Start[string](t, "parrot", "hello")
	says(t, p, "hello")
	p.Stop()
	p.Send("more")
	_, ok := p.Next(50 * time.Millisecond)
	assert.False(t, ok, "it speaks although it is stopped")
	p.Continue()
	says(t, p, "more")
	p.Stop()
	p.Kill()
	assert.True(t, p.Ended())
	p.Kill()
}

func TestAWorkerEndsWithTheProcessThatStartedIt(t *testing.T) {
	if os.Getenv("PROC_CHILD") != "" {
		p := proc.Start[string](t, "parrot", "hello")
		says(t, p, "hello")
		fmt.Printf("\npid=%d\n", p.Pid())
		require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGKILL))
		select {}
	}
	t.Parallel()
	child := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$")
	child.Env = append(os.Environ(), "PROC_CHILD=1")
	out, err := child.CombinedOutput()
	require.ErrorContains(t, err, "killed")
	_, rest, found := strings.Cut(string(out), "pid=")
	require.True(t, found, "%s", out)
	var pid int
	_, err = fmt.Sscan(rest, &pid)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return syscall.Kill(pid, 0) != nil || isZombie(pid) }, limit, 5*time.Millisecond)
}

// isZombie reports whether the process has ended and nobody has waited for it: here its
// parent is gone.
func isZombie(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && strings.Contains(string(stat), ") Z ")
}
