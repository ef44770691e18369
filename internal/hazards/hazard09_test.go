package hazards_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
	"github.com/effectlock/effectlock/redis"
)

// late is a backing that waits for the answer to a refresh for as long as that
// takes, and counts those that say that the lock is held.
type late struct {
	*redis.Backing
	heeds bool // the end of its requests after all
	held  atomic.Int32
}

// Abilities has no Batcher, so that each refresh is one of Refresh.
func (l *late) Abilities() backing.Abilities {
	return backing.Abilities{Of: l, Queue: l.Backing, Passer: l.Backing, Releaser: l.Backing}
}

func (l *late) Refresh(ctx context.Context, c backing.Claim) (bool, error) {
	if !l.heeds {
		ctx = context.WithoutCancel(ctx)
	}
	held, err := l.Backing.Refresh(ctx, c)
	if held && err == nil {
		l.held.Add(1)
	}
	return held, err
}

// The server has prolonged the lease and says so, but by then the holder could
// not know any more that nobody else had the lock. Work that did not look at its
// context and ended after the answer had come has run under a lost lock too.
func TestHazard09_ARefreshThatIsAnsweredAfterTheDeadlineIsTooLate(t *testing.T) {
	t.Parallel()
	const ttl, answer = 1500 * time.Millisecond, 2 * time.Second // less than the timeout of a read
	for name, c := range map[string]struct{ heeds, looks bool }{
		"the request ends with the lease":           {true, true},
		"the answer arrives":                        {false, true},
		"the answer arrives while the work goes on": {false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newTrainedStore(t)
			network, inner := s.distant(t)
			// A server that replies at once is not waited for on one connection: the refresh
			// would be sent again on the next.
			network.Delay(short / 10)
			connect(t, inner)
			b := &late{Backing: inner, heeds: c.heeds}
			var told events
			m := newMutex(t, b, key, mutex.Config{TTL: ttl, Observer: told.observe})

			var began, cancelled time.Time
			var paused time.Duration
			_, err := mutex.WithLock(m, func(ctx context.Context) (effect.Void, error) {
				began = time.Now()
				network.Delay(answer)
				asked, p := s.scripts(t), newPulse()
				<-ctx.Done()
				cancelled = time.Now()
				paused = p.longestPause()
				assert.Greater(t, s.scripts(t), asked, "the server has prolonged the lease")
				if c.looks {
					return effect.Void{}, ctx.Err()
				}
				time.Sleep(began.Add(ttl/3 + answer + short).Sub(cancelled))
				return effect.Void{}, nil
			})(t.Context())
			var lost *mutex.LockLostError
			require.ErrorAs(t, err, &lost)
			assert.Equal(t, mutex.Expired, lost.Reason)
			assert.LessOrEqual(t, cancelled.Sub(began)-paused, ttl)
			eventually(t, func() bool { return c.heeds || b.held.Load() > 0 }, "the answer arrives")
			assert.Equal(t, 1, told.seen(mutex.Lost))
			assert.Zero(t, told.seen(mutex.Released))

			network.Heal()
			s.isFree(t, soon) // what the late request prolonged is let go of
		})
	}
}
