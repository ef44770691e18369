package effect

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var errParent = errors.New("the parent's cause")

type valueKey struct{}

// view is everything observable about a context.
type view struct {
	err, cause, child, childCause error
	done, after                   bool
	deadline                      time.Time
	bounded                       bool
	value                         any
}

// watched is a context, and what was derived from it at the first look.
type watched struct {
	ctx, child context.Context
	ended      chan struct{}
}

// look asks for the error first: to derive from a lazy context makes it a real one.
func (w *watched) look() view {
	synctest.Wait()
	v := view{err: w.ctx.Err(), cause: context.Cause(w.ctx), value: w.ctx.Value(valueKey{})}
	v.deadline, v.bounded = w.ctx.Deadline()
	if w.child == nil {
		w.ended = make(chan struct{})
		child, cancel := context.WithCancel(w.ctx)
		context.AfterFunc(w.ctx, func() { close(w.ended) })
		context.AfterFunc(child, cancel) // not w.ctx: its children end in any order
		w.child = child
		synctest.Wait()
	}
	v.child, v.childCause = w.child.Err(), context.Cause(w.child)
	v.done, v.after = closed(w.ctx.Done()), closed(w.ended)
	return v
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// parents are the contexts that one is derived from, and how they are ended.
var parents = map[string]func(above context.Context) (context.Context, func()){
	"background": func(above context.Context) (context.Context, func()) { return above, func() {} },
	"cancelled for a cause": func(above context.Context) (context.Context, func()) {
		ctx, cancel := context.WithCancelCause(above)
		return ctx, func() { cancel(errParent) }
	},
	"with an earlier deadline": func(above context.Context) (context.Context, func()) {
		return context.WithTimeoutCause(above, 5*time.Second, errParent)
	},
	"with the same deadline as ours": func(above context.Context) (context.Context, func()) {
		return context.WithTimeout(above, 10*time.Second)
	},
	"in a scope of ours": func(above context.Context) (context.Context, func()) {
		ctx := withTimeout(above, 5*time.Second)
		return newScope(ctx), ctx.cancel
	},
	"one of ours, with a later deadline": func(above context.Context) (context.Context, func()) {
		ctx := withTimeout(above, 16*time.Second)
		return ctx, ctx.cancel
	},
	"already cancelled": func(above context.Context) (context.Context, func()) {
		ctx, cancel := context.WithCancelCause(above)
		cancel(errParent)
		return ctx, func() {}
	},
}

// TestALazyDeadlineBehavesLikeContextWithTimeout does the same to both, which
// have one parent, and compares their views after each step. The first look may
// come after the first step; if it came later, several ends might have come before
// it, and the lazy context might show another than the first.
func TestALazyDeadlineBehavesLikeContextWithTimeout(t *testing.T) {
	t.Parallel()
	for name, parent := range parents {
		t.Run("whose parent is "+name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(rt *rapid.T) {
				timeout := time.Duration(rapid.SampledFrom([]int64{-1, 0, 10, 10}).Draw(rt, "timeout")) * time.Second
				lookAtOnce := timeout <= 0 || rapid.Bool().Draw(rt, "look at once")
				alone := rapid.Bool().Draw(rt, "without the parent's end")
				steps := rapid.SliceOfN(rapid.SampledFrom([]string{"3s", "6s", "11s", "cancel", "cancel the parent"}), 1, 5).Draw(rt, "steps")
				var want, got []view
				synctest.Test(t, func(*testing.T) {
					ctx, end := parent(context.WithValue(context.Background(), valueKey{}, "value"))
					defer end()
					above, begin := ctx, withTimeout
					if alone {
						above, begin = context.WithoutCancel(ctx), withDetachedTimeout
					}
					std, cancel := context.WithTimeout(above, timeout)
					defer cancel()
					lazy := begin(ctx, timeout)
					defer lazy.cancel()
					model, tested := &watched{ctx: std}, &watched{ctx: lazy}
					if lookAtOnce {
						want, got = append(want, model.look()), append(got, tested.look())
					}
					for _, step := range steps {
						switch step {
						case "cancel":
							cancel()
							lazy.cancel()
						case "cancel the parent":
							end()
						default:
							d, _ := time.ParseDuration(step)
							time.Sleep(d)
						}
						want, got = append(want, model.look()), append(got, tested.look())
					}
				})
				require.Equal(rt, want, got)
			})
		})
	}
}

func TestOfSeveralEndsBeforeTheFirstLookTheParentsShowsThenTheCancellation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		parent, cancel := context.WithCancelCause(t.Context())
		ctx, other := withTimeout(parent, time.Second), withTimeout(parent, time.Second)
		time.Sleep(time.Minute)
		other.cancel()
		require.ErrorIs(t, other.Err(), context.Canceled, "though the deadline had passed")
		cancel(errParent)
		require.ErrorIs(t, ctx.Err(), context.Canceled)
		require.ErrorIs(t, context.Cause(ctx), errParent)
		require.ErrorIs(t, context.Cause(other), context.Canceled)
	})
}

func TestALazyDeadlineIsUsedFromManyGoroutines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx := withTimeout(t.Context(), time.Second)
		uses := []func(){
			func() { <-ctx.Done() },
			func() { assert.Nil(t, ctx.Value(valueKey{})) },
			func() { time.Sleep(time.Minute); ctx.cancel() },
			func() { time.Sleep(time.Minute); assert.ErrorIs(t, ctx.Err(), context.DeadlineExceeded) },
			func() {
				child, cancel := context.WithTimeout(ctx, time.Hour)
				defer cancel()
				<-child.Done()
			},
		}
		var using sync.WaitGroup
		for range 6 {
			for _, use := range uses {
				using.Go(use)
			}
		}
		using.Wait()
	})
}

// opaque hides what it wraps, so that the context package must start a
// goroutine to tie a child to it.
type opaque struct{ context.Context }

func (opaque) Value(any) any { return nil }

// TestAChildOfALazyDeadlineCostsNoGoroutine is not parallel: it counts goroutines by name.
func TestAChildOfALazyDeadlineCostsNoGoroutine(t *testing.T) { //nolint:paralleltest // see above
	ctx := withTimeout(t.Context(), time.Minute)
	defer ctx.cancel()
	started := func(parent context.Context) int {
		_, cancel := context.WithCancel(parent)
		defer cancel()
		_, cancelTimeout := context.WithTimeout(parent, time.Second)
		defer cancelTimeout()
		defer context.AfterFunc(context.WithValue(parent, valueKey{}, 1), func() {})()
		stacks := make([]byte, 1<<20)
		return strings.Count(string(stacks[:runtime.Stack(stacks, true)]), "context.(*cancelCtx).propagateCancel.func")
	}
	assert.Zero(t, started(ctx))
	assert.Zero(t, started(newScope(ctx)))
	assert.Zero(t, started(newFiber[int](newScope(withTimeout(ctx, time.Second))).running))
	assert.NotZero(t, started(opaque{ctx}), "the control")
}
