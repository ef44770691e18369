package backingtest

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/memory"
)

func TestASoundBackingPassesUnderFaults(t *testing.T) {
	t.Parallel()
	t.Run("in virtual time", func(t *testing.T) {
		t.Parallel()
		RunFaults(t, func(*testing.T) (backing.Backing, Faults) { return wired(sound) }, Virtual())
	})
	t.Run("in real time", func(t *testing.T) {
		t.Parallel()
		RunFaults(t, func(*testing.T) (backing.Backing, Faults) { return wired(sound) }, TTL(100*time.Millisecond))
	})
}

func TestABackingThatUndoesWhatLandsLatePasses(t *testing.T) {
	t.Parallel()
	RunFaults(t, func(*testing.T) (backing.Backing, Faults) {
		w, faults := wired(unremembering)
		w.late, w.undo = true, true
		return w, faults
	}, Virtual())
}

func TestABackingThatRefusesWhatLandsLatePasses(t *testing.T) {
	t.Parallel()
	RunFaults(t, func(*testing.T) (backing.Backing, Faults) {
		w, faults := wired(sound)
		w.late = true
		return w, faults
	}, Virtual())
}

func TestABackingWithoutAbilitiesPassesUnderFaults(t *testing.T) {
	t.Parallel()
	RunFaults(t, func(*testing.T) (backing.Backing, Faults) {
		w, faults := wired(sound)
		return &backing.Funcs{Base: w}, faults
	}, Virtual())
}

// A client may retry by itself, as most do.
func TestABackingThatRepeatsItselfPassesUnderFaults(t *testing.T) {
	t.Parallel()
	RunFaults(t, func(*testing.T) (backing.Backing, Faults) {
		w, faults := wired(sound)
		faults.LoseReply = func() {} // and only the client has seen the reply
		return w, faults
	}, Virtual())
}

func TestFaultsThatCannotBeAreRefused(t *testing.T) {
	t.Parallel()
	do := func() {}
	for _, c := range []struct {
		faults Faults
		want   string
	}{
		{Faults{}, "backingtest: Faults has no fault; set at least one of LoseReply, Cut, Wipe and Restart"},
		{Faults{Heal: do}, "backingtest: Faults has no fault; set at least one of LoseReply, Cut, Wipe and Restart"},
		{Faults{Cut: do, Wipe: do}, "backingtest: Faults.Heal is nil; it must be set if Cut is, which nothing else ends"},
	} {
		assert.EqualError(t, c.faults.check(), c.want)
	}
	for _, faults := range []Faults{{LoseReply: do}, {Cut: do, Heal: do}, {Wipe: do}, {Restart: do}} {
		assert.NoError(t, faults.check())
	}
}

func TestAFaultThatDoesNothingIsFoundOut(t *testing.T) {
	t.Parallel()
	k, err := newKit(nil)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		faults Faults
		want   string
	}{
		"Wipe": {Faults{Wipe: func() {}}, "backingtest: Faults.Wipe left a key that was held before"},
		"Cut":  {Faults{Cut: func() {}, Heal: func() {}}, "during Faults.Cut; does Cut stop requests and answers?"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var said strings.Builder
			k.exerciseFaults(func(_ string, body func(*probe)) {
				synctest.Test(t, func(*testing.T) {
					said.WriteString(failure(func(r reporter) { body(newProbe(r, memory.New(), k).with(c.faults)) }))
				})
			})
			assert.Contains(t, said.String(), c.want)
		})
	}
}

// A test cannot read its own log, so it runs once more, as a child.
func TestRunFaultsNamesTheFaultsThatItCouldNotTry(t *testing.T) {
	t.Parallel()
	const asChild = "BACKINGTEST_FAULTS_CHILD"
	if os.Getenv(asChild) != "" {
		RunFaults(t, func(*testing.T) (backing.Backing, Faults) {
			w, faults := wired(sound)
			faults.LoseReply, faults.Cut = nil, nil
			return &backing.Funcs{Base: w}, faults
		}, Virtual())
		return
	}
	child := exec.Command(os.Args[0], "-test.run=^TestRunFaultsNamesTheFaultsThatItCouldNotTry$", "-test.v")
	child.Env = append(os.Environ(), asChild+"=1")
	out, err := child.CombinedOutput()
	require.NoError(t, err, string(out))
	assert.Contains(t, string(out), "not offered: Faults.LoseReply")
	assert.Contains(t, string(out), "not offered: Faults.Cut")
	assert.Contains(t, string(out), "not offered: backing.Queue")
	assert.NotContains(t, string(out), "not offered: Faults.Wipe")
	assert.NotContains(t, string(out), "not offered: Faults.Restart")
}
