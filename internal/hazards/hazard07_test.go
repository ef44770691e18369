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

// explosions are the ways in which work can end without returning, and what is to
// be found of it.
var explosions = map[string]struct {
	work func(context.Context)
	is   func(value any) bool
}{
	"a value":       {func(context.Context) { panic("boom") }, isBoom},
	"an error":      {func(context.Context) { panic(errBoom) }, isError(errBoom)},
	"nil":           {func(context.Context) { panic(nil) }, isA[*runtime.PanicNilError]},
	"runtime error": {func(context.Context) { _ = make([]int, 0)[len(errBoom.Error())] }, isA[runtime.Error]},
	"another panic": {func(context.Context) { defer func() { panic("boom") }(); panic("first") }, isBoom},
	"a fiber's":     {joinExplosion, isBoom},
	"a scope's": {func(ctx context.Context) {
		_, _ = effect.Scoped(func(*effect.Scope) effect.Effect[effect.Void] {
			return func(context.Context) (effect.Void, error) { panic("boom") }
		})(ctx)
	}, isBoom},
	"Goexit": {func(context.Context) { runtime.Goexit() }, isError(effect.ErrGoexit)},
}

func isBoom(value any) bool { return value == "boom" }

func isError(want error) func(any) bool {
	return func(value any) bool { err, ok := value.(error); return ok && errors.Is(err, want) }
}

func isA[A any](value any) bool { _, ok := value.(A); return ok }

// joinExplosion joins a fiber that panics.
func joinExplosion(ctx context.Context) {
	fiber, err := effect.Fork(func(context.Context) (effect.Void, error) { panic("boom") })(ctx)
	if err == nil {
		_, _ = fiber.Join()(ctx)
	}
}

// The next has the lock at once, and who asked for the work learns how it ended,
// and where. The end is a panic also if the caller has left by then.
func TestHazard07_WorkThatPanicsLetsGo(t *testing.T) {
	t.Parallel()
	for name, explosion := range explosions {
		for _, left := range []bool{false, true} {
			if left {
				name += ", its caller has left"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := newStore(t)
				b := s.process(t)
				for way, acquire := range acquiring {
					ctx, leave := context.WithCancel(t.Context())
					defer leave()
					inside, explode := make(chan struct{}), make(chan struct{})
					m := newMutex(t, b, way, mutex.Config{TTL: long})
					fiber, err := effect.Fork(acquire(m, func(ctx context.Context) (effect.Void, error) {
						close(inside)
						<-explode
						explosion.work(context.WithoutCancel(ctx))
						return effect.Void{}, nil
					}))(ctx)
					require.NoError(t, err)
					<-inside
					next := contend(t, s.process(t), way, mutex.Config{TTL: long})
					next.waits(t)
					assertOutside(t, next)

					if left {
						leave()
					}
					close(explode)
					next.enters(t, soon)
					exit, err := fiber.Await()(t.Context())
					require.NoError(t, err)
					next.letsGo(t)

					assert.True(t, exit.IsDefect(), way)
					var defect *effect.Defect
					require.ErrorAs(t, exit.Err(), &defect, way)
					assert.True(t, explosion.is(defect.Value), "%s: %v", way, defect.Value)
					assert.Contains(t, string(defect.Stack), "hazard07_test.go", way)
					assert.NoError(t, defect.Finalizers, way)
				}
				s.assertFree(t)
			})
		}
	}
}

// In the goroutine of the caller the panic stays what it was.
func TestHazard07_APanicReachesTheCallerAsItWas(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	b := s.process(t)
	for way, acquire := range acquiring {
		assert.PanicsWithValue(t, errBoom, func() {
			_, _ = acquire(newMutex(t, b, way, mutex.Config{TTL: long}), func(context.Context) (effect.Void, error) {
				panic(errBoom)
			})(t.Context())
		}, way)
		s.assertFree(t)
	}
}
