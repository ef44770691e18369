package hazards_test

import (
	"context"
	"errors"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/mutex"
)

var errBoom = errors.New("boom")

// The next waiter has the lock at once, and the caller learns how and where the work ended. The
// end is a panic even if the caller has left by then.
func TestHazard07_WorkThatPanicsLetsGo(t *testing.T) {
	t.Parallel()
	for name, explosion := range map[string]struct {
		work func()
		is   error
		left bool
	}{
		"a panic":                      {func() { panic(errBoom) }, errBoom, false},
		"a panic, its caller has left": {func() { panic(errBoom) }, errBoom, true},
		"Goexit":                       {runtime.Goexit, effect.ErrGoexit, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for way, acquire := range acquiring {
				s := sharedStore(t)
				ctx, leave := context.WithCancel(t.Context())
				defer leave()
				inside, explode := make(chan struct{}), make(chan struct{})
				fiber, err := effect.Fork(acquire(newMutex(t, s.process(), s.key, mutex.Config{TTL: long}), func(ctx context.Context) (effect.Void, error) {
					defer s.enter(ctx)()
					close(inside)
					<-explode
					explosion.work()
					return effect.Void{}, nil
				}))(ctx)
				require.NoError(t, err)
				receive(t, inside, "the lock")
				next := s.rival()
				if explosion.left {
					leave()
				}
				close(explode)
				next.takesTurn()
				exit, err := fiber.Await()(t.Context())
				require.NoError(t, err)
				assert.True(t, exit.IsDefect(), way)
				var defect *effect.Defect
				require.ErrorAs(t, exit.Err(), &defect, way)
				assert.ErrorIs(t, defect, explosion.is, way)
				assert.Contains(t, string(defect.Stack), "panic_test.go", way)
				assert.NoError(t, defect.Finalizers, way)
				s.assertFree()
			}
		})
	}
}
