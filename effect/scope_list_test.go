package effect

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestAFiberThatEndsLeavesItsScope: in a scope that lives as long as a server,
// the fibers of each request must not pile up.
func TestAFiberThatEndsLeavesItsScope(t *testing.T) {
	t.Parallel()
	registered := func(s *Scope) (n int) {
		s.mu.Lock()
		defer s.mu.Unlock()
		for f := s.last; f != nil; f = f.prev {
			n++
			assert.True(t, f.next == nil || f.next.prev == f, "the list is sound")
		}
		return n
	}
	_, err := Scoped(func(s *Scope) Effect[Void] {
		return func(ctx context.Context) (none Void, err error) {
			ends := make([]chan struct{}, 5)
			fibers := make([]*Fiber[Void], len(ends))
			for i := range ends {
				ends[i] = make(chan struct{})
				fork := ForkIn[Void](s)(func(context.Context) (Void, error) { <-ends[i]; return none, nil })
				fibers[i], err = fork(ctx)
				require.NoError(t, err)
			}
			for left, i := range []int{2, 4, 0, 3, 1} { // from the middle, the end, the beginning
				close(ends[i])
				_, err = fibers[i].Join()(ctx)
				require.NoError(t, err)
				assert.Eventually(t, func() bool { return registered(s) == 4-left }, 10*time.Second, time.Millisecond)
			}
			return none, nil
		}
	})(t.Context())
	require.NoError(t, err)
}
