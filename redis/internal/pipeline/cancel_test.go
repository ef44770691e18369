package pipeline

import (
	"context"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/internal/redistest"
)

// inTime calls do, whose context ends after d, and which must return at most 0.15 s later.
// A busy machine may make it late, but not every time.
func inTime(t *testing.T, d time.Duration, do func() (began time.Time)) {
	t.Helper()
	var took []time.Duration
	for range 8 {
		began := do()
		took = append(took, time.Since(began))
		if took[len(took)-1] <= d+150*time.Millisecond {
			return
		}
	}
	assert.Fail(t, "returned too late", "%v", took)
}

func TestCallerWhoseContextEndsReturnsInTime(t *testing.T) {
	t.Parallel()
	ends := map[string]struct {
		begin func(context.Context) (context.Context, context.CancelFunc)
		want  error
	}{
		"cancelled": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(20*time.Millisecond, cancel)
			return ctx, cancel
		}, context.Canceled},
		"timed out": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, 20*time.Millisecond)
		}, context.DeadlineExceeded},
	}
	clients := map[string]goredis.Options{
		"default client":         {},
		"client with a deadline": {ContextTimeoutEnabled: true},
		"client without limits":  {ReadTimeout: -1, WriteTimeout: -1},
		"client with a reserve":  {MinIdleConns: 8, PoolFIFO: true}, // of connections without a handshake
	}
	s := redistest.Start(t)
	proxy := redistest.NewProxy(t, s.Addr())
	faults := map[string]struct{ begin, end func() }{
		"frozen server": {s.Freeze, s.Thaw},
		"black hole":    {proxy.Cut, proxy.Heal},
		"lost replies":  {proxy.CutReplies, proxy.Heal},
	}
	for clientName, o := range clients {
		o.Addr = proxy.Addr()
		c := clientOf(t, o)
		for faultName, fault := range faults {
			for endName, end := range ends {
				for path, direct := range map[string]bool{"direct": true, "loop": false} {
					t.Run(clientName+"/"+faultName+"/"+endName+"/"+path, func(t *testing.T) {
						inTime(t, 20*time.Millisecond, func() time.Time {
							p := New(c)
							warm(t, p, "k")
							if !direct {
								p.keepToLoop()
							}
							fault.begin()
							defer fault.end()
							began := time.Now()
							ctx, cancel := end.begin(t.Context())
							defer cancel()
							_, err := p.Run(ctx, say(echo, "k", "v"))
							assert.ErrorIs(t, err, end.want)
							assert.True(t, MayBeApplied(err) || err.Error() == notSent(ctx).Error(), "%v", err)
							return began
						})
					})
				}
			}
		}
	}
}

func TestEndedContextStopsTheClientsOwnAttempts(t *testing.T) {
	t.Parallel()
	proxy := redistest.NewProxy(t, redistest.Start(t).Addr())
	p := New(clientOf(t, goredis.Options{Addr: proxy.Addr(), MinRetryBackoff: 80 * time.Millisecond, MaxRetryBackoff: 80 * time.Millisecond}))
	_, err := p.Run(t.Context(), say(touch, "k", ""))
	require.NoError(t, err)
	proxy.DropReplies(-1, "evalsha")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	failed := make(chan error, 1)
	go func() {
		_, err := p.Run(ctx, say(touch, "k", ""))
		failed <- err
	}()
	// The first copy may have taken the direct path.
	require.Eventually(t, func() bool { return proxy.Dropped() > 1 }, 10*time.Second, time.Millisecond)
	cancel()
	seen := proxy.Dropped()
	require.ErrorIs(t, <-failed, context.Canceled)
	// Each further attempt would begin within 80 ms, within the grace.
	assert.Equal(t, seen, proxy.Dropped())
}
