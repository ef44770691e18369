package effect_test

import (
	"context"
	"errors"
	"flag"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/effectlock/effectlock/effect"
)

func TestMain(m *testing.M) {
	// The laws replace examples: a hundred programs would miss some.
	if err := flag.Set("rapid.checks", "300"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

var (
	errBoom  = errors.New("boom")
	errClose = errors.New("close failed")
	errCause = errors.New("shutting down")
)

type notFound struct{ name string }

func (e *notFound) Error() string { return e.name + " not found" }
func (*notFound) Tag() string     { return "NotFound" }

type busy struct{}

func (*busy) Error() string { return "busy" }

// outcome is how a call ended, as its caller sees it.
type outcome[A any] struct {
	value    A
	err      error
	panicked any
	goexit   bool
}

// observe runs eff in a goroutine of its own, so that it also sees a panic and
// runtime.Goexit.
func observe[A any](ctx context.Context, eff effect.Effect[A]) (o outcome[A]) {
	o.goexit = true
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if o.panicked = recover(); o.panicked != nil {
				o.goexit = false
			}
		}()
		o.value, o.err = eff(ctx)
		o.goexit = false
	}()
	<-done
	return o
}

func canceled(cause error) context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(cause)
	return ctx
}

// untilCancelled waits for the end of its context.
func untilCancelled[A any](ctx context.Context) (a A, err error) {
	<-ctx.Done()
	return a, effect.Interrupted(ctx, nil)
}

func panicking[A any](value any) effect.Effect[A] {
	return func(context.Context) (A, error) { panic(value) }
}

func goexit[A any](context.Context) (a A, err error) {
	runtime.Goexit()
	return a, err
}

// failedTest is a testing.T of a test that fails.
type failedTest struct{}

func (failedTest) Errorf(string, ...any) {}
func (failedTest) FailNow()              { runtime.Goexit() }

// endings are the ways in which work ends. They need a context that is cancelled at some point.
var endings = map[string]effect.Effect[int]{
	"a value":        effect.Succeed(7),
	"an error":       effect.Fail[int](errBoom),
	"a panic":        panicking[int]("boom"),
	"a nil panic":    panicking[int](nil),
	"cancellation":   untilCancelled[int],
	"runtime.Goexit": goexit[int],
	"a failed require": func(context.Context) (int, error) {
		require.Equal(failedTest{}, 1, 2)
		return 0, nil
	},
}

// do makes an effect of a function that cannot fail.
func do(f func()) effect.Effect[effect.Void] {
	return func(context.Context) (effect.Void, error) {
		f()
		return effect.Void{}, nil
	}
}

// kind names the way in which an exit says that an effect ended.
func kind[A any](e effect.Exit[A]) string {
	return effect.Match(
		func(A) string { return "success" },
		func(error) string { return "failure" },
		func(*effect.Defect) string { return "defect" },
		func(error) string { return "interruption" },
	)(e)
}
