package turn_test

import (
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// A waiter holds its caller's context, with everything in it.
func TestALockThatNobodyWantsKeepsNoWaiter(t *testing.T) {
	t.Parallel()
	s := newScript(1)
	var forgotten atomic.Int32
	for _, name := range []string{"a", "b"} {
		runtime.AddCleanup(s.waiter(name), func(forgotten *atomic.Int32) { forgotten.Add(1) }, &forgotten)
	}
	assert.Equal(t, "a is undone; b asks", s.play(t, "a joins", "a is queued", "b joins", "a leaves"))
	s.play(t, "b is granted", "b accepts", "b releases", "b is gone")
	clear(s.waiters)
	assert.Eventually(t, func() bool { runtime.GC(); return forgotten.Load() == 2 }, 10*time.Second, time.Millisecond)
	runtime.KeepAlive(s)
}
