package effect_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/schedule"
)

// told is what a finalizer is told of how the work ended.
type told struct {
	kind string
	err  error
}

func tell[A any](e effect.Exit[A]) told { return told{kind(e), e.Err()} }

type finalizer = func(told) effect.Effect[effect.Void]

// guards are the ways to have a finalizer run after work. Ensuring tells it nothing.
var guards = map[string]func(work effect.Effect[int], f finalizer) effect.Effect[int]{
	"OnExit": func(work effect.Effect[int], f finalizer) effect.Effect[int] {
		return effect.OnExit(func(e effect.Exit[int]) effect.Effect[effect.Void] { return f(tell(e)) })(work)
	},
	"Ensuring": func(work effect.Effect[int], f finalizer) effect.Effect[int] {
		return effect.Ensuring[int](func(ctx context.Context) (effect.Void, error) { return f(told{})(ctx) })(work)
	},
	"AddFinalizer": func(work effect.Effect[int], f finalizer) effect.Effect[int] {
		return effect.Scoped(func(s *effect.Scope) effect.Effect[int] {
			return effect.ZipRight[effect.Void](work)(s.AddFinalizer(func(e effect.Exit[any]) effect.Effect[effect.Void] { return f(tell(e)) }))
		})
	},
	"AcquireRelease": func(work effect.Effect[int], f finalizer) effect.Effect[int] {
		return effect.Scoped(func(s *effect.Scope) effect.Effect[int] {
			acquire := effect.AcquireRelease(effect.Succeed("r"), func(_ string, e effect.Exit[any]) effect.Effect[effect.Void] { return f(tell(e)) })
			return effect.ZipRight[string](work)(acquire(s))
		})
	},
	"AcquireUseRelease": func(work effect.Effect[int], f finalizer) effect.Effect[int] {
		return effect.AcquireUseRelease(effect.Succeed("r"),
			func(string) effect.Effect[int] { return work },
			func(_ string, e effect.Exit[any]) effect.Effect[effect.Void] { return f(tell(e)) })
	},
}

func nothing(told) effect.Effect[effect.Void] { return do(func() {}) }

// eachGuard runs test in a bubble for each guard and each ending of its work;
// ctx is cancelled after a second.
func eachGuard(t *testing.T, test func(t *testing.T, ctx context.Context, guard func(finalizer) effect.Effect[int], ending string)) {
	for name, guard := range guards {
		for ending, work := range endings {
			t.Run(name+" after "+ending, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					type key struct{}
					ctx, cancel := context.WithTimeout(context.WithValue(t.Context(), key{}, "kept"), time.Second)
					defer cancel()
					test(t, ctx, func(f finalizer) effect.Effect[int] {
						return guard(work, func(e told) effect.Effect[effect.Void] {
							return func(ctx context.Context) (effect.Void, error) {
								assert.Equal(t, "kept", ctx.Value(key{}))
								return f(e)(ctx)
							}
						})
					}, ending)
				})
			})
		}
	}
}

func TestAFinalizerRunsOnceHoweverTheWorkEnds(t *testing.T) {
	t.Parallel()
	eachGuard(t, func(t *testing.T, ctx context.Context, guard func(finalizer) effect.Effect[int], ending string) {
		runs := 0
		o := observe(ctx, guard(func(told) effect.Effect[effect.Void] { return do(func() { runs++ }) }))
		assert.Equal(t, 1, runs)
		assert.Equal(t, ending == "runtime.Goexit" || ending == "a failed require", o.goexit)
	})
}

func TestAFinalizerHasAContextThatHasNotEndedAndIsBounded(t *testing.T) {
	t.Parallel()
	eachGuard(t, func(t *testing.T, ctx context.Context, guard func(finalizer) effect.Effect[int], _ string) {
		observe(ctx, guard(func(told) effect.Effect[effect.Void] {
			return func(ctx context.Context) (none effect.Void, err error) {
				assert.NoError(t, ctx.Err())
				start := time.Now()
				<-ctx.Done()
				assert.Equal(t, effect.FinalizerTimeout, time.Since(start))
				assert.ErrorIs(t, ctx.Err(), context.DeadlineExceeded)
				return none, err
			}
		}))
	})
}

func TestAFinalizerIsToldHowTheWorkEnded(t *testing.T) {
	t.Parallel()
	eachGuard(t, func(t *testing.T, ctx context.Context, guard func(finalizer) effect.Effect[int], ending string) {
		var got told
		o := observe(ctx, guard(func(e told) effect.Effect[effect.Void] { got = e; return nothing(e) }))
		want := told{kind: "defect", err: got.err}
		switch ending {
		case "a value":
			want = told{kind: "success"}
		case "an error":
			want = told{"failure", errBoom}
		case "cancellation":
			want = told{"interruption", o.err}
		}
		if strings.Contains(t.Name(), "Ensuring") {
			want = told{}
		}
		assert.Equal(t, want, got)
	})
}

func TestAFailedFinalizerNeverReplacesHowTheWorkEnded(t *testing.T) {
	t.Parallel()
	for name, guard := range guards {
		failing := func(told) effect.Effect[effect.Void] { return effect.Fail[effect.Void](errClose) }

		o := observe(t.Context(), guard(effect.Succeed(7), failing))
		assert.Equal(t, 7, o.value, name, "the value stands beside the error")
		assert.Equal(t, errClose, o.err, name)

		o = observe(t.Context(), guard(effect.Fail[int](errBoom), failing))
		require.ErrorIs(t, o.err, errBoom, name)
		require.ErrorIs(t, o.err, errClose, name)
		assert.Equal(t, "boom\nclose failed", o.err.Error(), name, "the work's first")

		o = observe(t.Context(), guard(panicking[int](errBoom), failing))
		d, ok := o.panicked.(*effect.Defect)
		require.True(t, ok, name)
		assert.Equal(t, errBoom, d.Value, name)
		assert.Equal(t, errClose, d.Finalizers, name)

		o = observe(t.Context(), guard(goexit[int], failing))
		assert.True(t, o.goexit, name)
	}
}

func TestAPanicKeepsItsValueWhenItsFinalizersSucceed(t *testing.T) {
	t.Parallel()
	value := &notFound{"x"}
	for name, guard := range guards {
		o := observe(t.Context(), guard(panicking[int](value), func(told) effect.Effect[effect.Void] { return do(func() {}) }))
		assert.Same(t, value, o.panicked, name)
	}
}

func TestAPanicOfAFinalizerIsADefectInTheError(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]finalizer{
		"in the effect":             func(told) effect.Effect[effect.Void] { return panickingThere[effect.Void]("late") },
		"in the function before it": func(told) effect.Effect[effect.Void] { whereItPanics("late"); return nil },
	} {
		for guardName, guard := range guards {
			o := observe(t.Context(), guard(effect.Fail[int](errBoom), f))
			require.Nil(t, o.panicked, name, guardName)
			require.ErrorIs(t, o.err, errBoom)
			d, ok := errors.AsType[*effect.Defect](o.err)
			require.True(t, ok)
			assert.Equal(t, "late", d.Value)
			assert.Contains(t, string(d.Stack), "whereItPanics")

			o = observe(t.Context(), guard(panicking[int]("early"), f))
			d, ok = o.panicked.(*effect.Defect)
			require.True(t, ok, name, guardName)
			assert.Equal(t, "early", d.Value)
			late, ok := errors.AsType[*effect.Defect](d.Finalizers)
			require.True(t, ok)
			assert.Equal(t, "late", late.Value)
		}
	}
}

func TestNoFinalizerKeepsTheOthersFromRunning(t *testing.T) {
	t.Parallel()
	misbehaving := map[string]effect.Effect[effect.Void]{
		"fails":               effect.Fail[effect.Void](errClose),
		"panics":              panicking[effect.Void]("late"),
		"calls Goexit":        goexit[effect.Void],
		"ignores its context": do(func() { time.Sleep(time.Hour) }),
	}
	for how, bad := range misbehaving {
		for ending, work := range endings {
			t.Run(fmt.Sprintf("that %s after %s", how, ending), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					defer cancel()
					var ran []int
					observe(ctx, effect.Scoped(func(s *effect.Scope) effect.Effect[int] {
						return func(ctx context.Context) (int, error) {
							for i := range 6 {
								_, err := s.AddFinalizer(func(effect.Exit[any]) effect.Effect[effect.Void] {
									ran = append(ran, i)
									if i%2 == 1 {
										return bad
									}
									return do(func() {})
								})(ctx)
								assert.NoError(t, err)
							}
							return work(ctx)
						}
					}))
					assert.Equal(t, []int{5, 4, 3, 2, 1, 0}, ran)
				})
			})
		}
	}
}

// failures is an error that == cannot compare.
type failures []error

func (f failures) Error() string { return fmt.Sprint([]error(f)) }

// quarrel is an error whose own method panics.
type quarrel struct{}

func (quarrel) Error() string { return "quarrel" }
func (quarrel) Is(error) bool { panic("not like this") }

func TestNoErrorKeepsAFinalizerFromRunning(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{"one that == cannot compare": failures{errBoom}, "one whose method panics": quarrel{}} {
		for _, ctx := range []context.Context{t.Context(), canceled(errCause), canceled(failures{errCause})} {
			released := 0
			work := effect.Ensuring[int](do(func() { released++ }))(effect.Fail[int](err))
			_ = observe(ctx, work)
			_ = observe(ctx, effect.CatchAll(effect.Fail[int])(work))
			_ = observe(ctx, effect.Retry[int](schedule.Once())(work))
			assert.GreaterOrEqual(t, released, 3, name)
		}
	}
}
