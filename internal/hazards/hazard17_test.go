package hazards_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/mutex"
)

// Nothing else runs in the process: no timer fires, no refresh is sent, nobody can
// cancel anything. When the work returns, it is too late.
func TestHazard17_WorkThatKeptTheKeepAliveFromRunningIsReportedAsLost(t *testing.T) {
	t.Parallel()
	for _, c := range []toil{
		{TTL: 300 * time.Millisecond, Work: time.Second},
		{TTL: time.Second, Work: 2 * time.Second},
	} {
		t.Run(fmt.Sprint(c.TTL), func(t *testing.T) {
			t.Parallel()
			s := newStore(t)
			c.Addr = s.Addr()
			ended := c.begin(t, false)
			s.awaitGrant(t)
			next := contend(t, s.process(t), key, mutex.Config{TTL: long})
			next.enters(t, patience)

			a := ended()
			assert.Greater(t, a.Spun, c.TTL)
			assert.Equal(t, mutex.Expired, a.Lost, "%+v", a)
			assert.Equal(t, 1, a.Observed)
			assert.Greater(t, next.token, a.Token)
			s.assertOf(t, next)
			next.letsGo(t)
		})
	}
}

// The keep-alive gets a turn now and then: too rarely, or just often enough.
// Whatever it is, work that succeeded had the lock to its end.
func TestHazard17_WorkThatSucceedsBesideBusyLoopsHadTheLockToItsEnd(t *testing.T) {
	t.Parallel()
	for _, c := range []toil{
		{TTL: 200 * time.Millisecond, Work: 300 * time.Millisecond, Others: 4},
		{TTL: 200 * time.Millisecond, Work: 100 * time.Millisecond, Others: 20},
		{TTL: 500 * time.Millisecond, Work: 100 * time.Millisecond, Others: 10},
		{TTL: 5 * time.Second, Work: 100 * time.Millisecond, Others: 5},
	} {
		t.Run(fmt.Sprintf("%v, %d loops", c.TTL, c.Others), func(t *testing.T) {
			t.Parallel()
			s := newStore(t)
			c.Addr, c.Asks = s.Addr(), true
			ended := c.begin(t, true)
			s.awaitGrant(t)
			next := contend(t, s.process(t), key, mutex.Config{TTL: long})
			next.enters(t, 3*patience)

			a := ended()
			if a.Error == "" {
				assert.True(t, a.Owned, "it succeeded, though another had the lock before its end: %+v", a)
			} else {
				assert.NotEmpty(t, a.Lost, "%+v", a)
			}
			assert.Greater(t, next.token, a.Token)
			s.assertOf(t, next)
			next.letsGo(t)
		})
	}
}

// awaitGrant waits until somebody has been granted the lock, be it that it has let go
// of it by now.
func (s store) awaitGrant(t *testing.T) {
	t.Helper()
	eventually(t, func() bool {
		n, err := s.direct.Exists(t.Context(), fenceKey).Result()
		require.NoError(t, err)
		return n > 0
	}, "somebody had the lock")
}
