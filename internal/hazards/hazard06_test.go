package hazards_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
)

// The release does not run under the context that has ended.
func TestHazard06_ACallerWhoLeavesWhileItHoldsLetsGo(t *testing.T) {
	t.Parallel()
	for way, acquire := range acquiring {
		for _, end := range []error{context.Canceled, context.DeadlineExceeded} {
			t.Run(way+", "+end.Error(), func(t *testing.T) {
				t.Parallel()
				s := newStore(t)
				ctx, leave := context.WithCancelCause(t.Context())
				defer leave(nil)
				why := errWhy
				if errors.Is(end, context.DeadlineExceeded) {
					late, cancel := context.WithTimeout(t.Context(), 3*little)
					defer cancel()
					ctx, why = late, end
				}
				inside, told, done := make(chan struct{}), make(chan error, 1), make(chan error, 1)
				m := newMutex(t, s.process(t), key, mutex.Config{TTL: long})
				go func() {
					_, err := acquire(m, func(ctx context.Context) (effect.Void, error) {
						close(inside)
						<-ctx.Done()
						told <- context.Cause(ctx)
						return effect.Void{}, ctx.Err()
					})(ctx)
					done <- err
				}()
				select {
				case <-inside:
				case err := <-done:
					require.Fail(t, "ended without the lock", "%v", err)
				}
				next := contend(t, s.process(t), key, mutex.Config{TTL: long})
				if errors.Is(end, context.Canceled) {
					s.awaitQueue(t, 1)
					assertOutside(t, next)
					leave(errWhy)
				}
				assert.Equal(t, why, <-told, "why the work is cancelled")
				err := <-done
				assert.ErrorIs(t, err, end)
				assert.ErrorIs(t, err, why)
				next.enters(t, soon)
				next.letsGo(t)
				s.assertFree(t)
			})
		}
	}
}

// The server does not answer when the holder leaves, and then does.
func TestHazard06_ACallerWhoLeavesDuringAnOutageLetsGo(t *testing.T) {
	t.Parallel()
	for name, outage := range outages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newTrainedStore(t)
			network, b := s.distant(t)
			holder := contend(t, b, key, mutex.Config{TTL: long})
			holder.enters(t, patience)
			outage.begin(s, network)
			holder.cancel()
			time.Sleep(short) // the outage goes on
			outage.end(s, network)
			assert.ErrorIs(t, holder.gone(t, cleaning), context.Canceled)
			assert.Equal(t, 1, holder.seen(mutex.Released))
			s.isFree(t, soon)
		})
	}
}
