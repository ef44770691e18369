package backingtest

import (
	"os"
	"os/exec"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/backing/memory"
)

// A test cannot watch itself fail, so it runs once more, as a child.
func TestRunFailsTheTestThatCallsIt(t *testing.T) {
	t.Parallel()
	const asChild = "BACKINGTEST_CHILD"
	if os.Getenv(asChild) != "" {
		Run(t, func(t *testing.T) backing.Backing { return &flawed{flaw: "Refresh creates the key again"} }, Virtual())
		return
	}
	child := exec.Command(os.Args[0], "-test.run=^TestRunFailsTheTestThatCallsIt$", "-test.v", "-rapid.nofailfile", "-rapid.shrinktime=1s")
	child.Env = append(os.Environ(), asChild+"=1")
	out, err := child.CombinedOutput()

	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	assert.Regexp(t, `refresh\.go:\d+: contract: "If c\.Holder does not have the key, Refresh must answer false and change nothing: it must not create the key again`, string(out))
	assert.Contains(t, string(out), "--- FAIL: TestRunFailsTheTestThatCallsIt/contract/Refresh:_does_not_create_a_key_that_never_was")
	assert.Contains(t, string(out), "--- PASS: TestRunFailsTheTestThatCallsIt/contract/TryAcquire:_gives_a_free_key")
	assert.Contains(t, string(out), "--- FAIL: TestRunFailsTheTestThatCallsIt/contract/model:_one_operation_after_the_other")
	assert.Regexp(t, `\[rapid\] failed after \d+ tests: contract: "`+regexp.QuoteMeta(refreshElse.String()[:40])+`(?s:.*)-rapid\.seed=\d+`, string(out))
}

func TestAFailureListsTheCallsThatLedToIt(t *testing.T) {
	t.Parallel()
	k, err := newKit(nil)
	require.NoError(t, err)
	message := failure(func(r reporter) {
		p := newProbe(r, memory.New(), k)
		p.acquires(freeIsGiven, "k\x00", "a", time.Second)
		p.releases(releaseFrees, "k\x00", "b", true)
	})
	assert.Regexp(t, `^contract: "If holder has the key, Release must free it and answer true\."
  Release by "b" answered false, want true
  after these calls:
    TryAcquire\("k\\x00", "a", 1s\) = Some\(token \d+\), <nil>
    Release\("k\\x00", "b"\) = false, <nil>$`, message)
}

func TestTTLOutOfRangeIsRefused(t *testing.T) {
	t.Parallel()
	for _, ttl := range []time.Duration{-time.Second, 0, 9 * time.Millisecond, 10500 * time.Microsecond, 11 * time.Second} {
		_, err := newKit([]Option{TTL(ttl)})
		require.EqualError(t, err, "backingtest: TTL is "+ttl.String()+"; it must be a whole number of milliseconds from 10ms to 10s")
	}
	for _, ttl := range []time.Duration{10 * time.Millisecond, 10 * time.Second} {
		k, err := newKit([]Option{TTL(ttl)})
		require.NoError(t, err)
		assert.Equal(t, ttl, k.ttl)
	}
}
