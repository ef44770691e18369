package effect_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/effectlock/effectlock/effect"
)

// stubborn ignores its context for d.
func stubborn(d time.Duration, then effect.Effect[int]) effect.Effect[int] {
	return func(ctx context.Context) (int, error) { time.Sleep(d); return then(ctx) }
}

// cancelledThen waits for the end of its context, and fails with what f makes of that.
func cancelledThen(f func(ctx context.Context) error) effect.Effect[int] {
	return func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, f(ctx) }
}

// seesTheTimeout ends 30 s after its start with the error of its own context.
func seesTheTimeout(ctx context.Context) (int, error) {
	start := time.Now()
	<-ctx.Done()
	err := effect.Interrupted(ctx, nil)
	time.Sleep(time.Until(start.Add(30 * time.Second)))
	return 0, err
}

type bound = func(context.Context) (context.Context, context.CancelFunc)

func unbounded(ctx context.Context) (context.Context, context.CancelFunc) { return ctx, func() {} }

func deadline(d time.Duration) bound {
	return func(ctx context.Context) (context.Context, context.CancelFunc) {
		return context.WithTimeoutCause(ctx, d, errCause)
	}
}

func cancelAfter(d time.Duration) bound {
	return func(ctx context.Context) (context.Context, context.CancelFunc) {
		ctx, cancel := context.WithCancelCause(ctx)
		time.AfterFunc(d, func() { cancel(errCause) })
		return ctx, func() { cancel(nil) }
	}
}

// inWords says how a call under ctx ended.
func inWords(ctx context.Context, o outcome[int]) string {
	switch {
	case o.goexit:
		return "goexit"
	case o.panicked != nil:
		return fmt.Sprint("panic: ", o.panicked)
	case o.err == nil:
		return fmt.Sprint("value ", o.value)
	case errors.As(o.err, new(*effect.TimeoutError)):
		return o.err.Error()
	case errors.As(o.err, new(*effect.Defect)):
		return "defect"
	case ctx.Err() != nil && errors.Is(o.err, ctx.Err()) && errors.Is(o.err, context.Cause(ctx)):
		return "the caller's end"
	}
	return o.err.Error()
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	const (
		s         = time.Second
		timedOut  = "timed out after 10s"
		callerEnd = "the caller's end"
	)
	wait, three := untilCancelled[int], effect.Succeed(3)
	failing, panicky := effect.Fail[effect.Void](errClose), panicking[effect.Void]("late")
	for name, test := range map[string]struct {
		bound bound
		d     time.Duration
		work  effect.Effect[int]
		takes time.Duration
		want  string
	}{
		"a value in time":                        {unbounded, 10 * s, stubborn(9*s, three), 9 * s, "value 3"},
		"a failure in time":                      {unbounded, 10 * s, beside(9*s, 0, errBoom), 9 * s, "boom"},
		"a cancelled effect":                     {unbounded, 10 * s, wait, 10 * s, timedOut},
		"one that cleans up is waited for":       {unbounded, 10 * s, effect.Ensuring[int](effect.Sleep(2 * s))(wait), 12 * s, timedOut},
		"one that ignores its context, too":      {unbounded, 10 * s, stubborn(60*s, three), 60 * s, "value 3"},
		"a late panic":                           {unbounded, 10 * s, stubborn(60*s, panicking[int]("boom")), 60 * s, "panic: boom"},
		"a late Goexit":                          {unbounded, 10 * s, stubborn(60*s, goexit[int]), 60 * s, "goexit"},
		"a late panic of a finalizer":            {unbounded, 10 * s, effect.Ensuring[int](panicky)(wait), 10 * s, "defect"},
		"no time":                                {unbounded, 0, wait, 0, "timed out after 0s"},
		"less than none":                         {unbounded, math.MinInt64, wait, 0, "timed out after -2562047h47m16.854775808s"},
		"all the time":                           {unbounded, math.MaxInt64, stubborn(9999*s, three), 9999 * s, "value 3"},
		"a shorter one inside":                   {unbounded, 60 * s, effect.Timeout[int](10 * s)(wait), 10 * s, timedOut},
		"a longer one inside":                    {unbounded, 10 * s, effect.Timeout[int](60 * s)(wait), 10 * s, timedOut},
		"one inside, which has passed as well":   {unbounded, 10 * s, effect.Timeout[int](s)(stubborn(60*s, wait)), 60 * s, timedOut},
		"the bare end of the context":            {unbounded, 10 * s, cancelledThen(context.Context.Err), 10 * s, timedOut},
		"a failure, then the interruption":       {unbounded, 10 * s, cancelledThen(func(ctx context.Context) error { return effect.Interrupted(ctx, errBoom) }), 10 * s, timedOut + ": boom"},
		"a late failure":                         {unbounded, 10 * s, beside(60*s, 0, errBoom), 60 * s, timedOut + ": boom"},
		"the end in other words":                 {unbounded, 10 * s, cancelledThen(func(ctx context.Context) error { return fmt.Errorf("dial: %w", ctx.Err()) }), 10 * s, timedOut + ": dial: context deadline exceeded"},
		"the end, and a finalizer's failure":     {unbounded, 10 * s, effect.Ensuring[int](failing)(wait), 10 * s, timedOut + ": close failed"},
		"the end of another context":             {unbounded, 10 * s, cancelledThen(func(context.Context) error { return effect.Interrupted(canceled(errCause), nil) }), 10 * s, timedOut + ": context canceled: shutting down"},
		"the caller's earlier deadline":          {deadline(s), 10 * s, wait, s, callerEnd},
		"the caller's cancellation":              {cancelAfter(s), 10 * s, wait, s, callerEnd},
		"both deadlines, one ignored":            {deadline(s), 10 * s, stubborn(60*s, wait), 60 * s, callerEnd},
		"the caller's end after the timeout":     {cancelAfter(20 * s), 10 * s, seesTheTimeout, 30 * s, callerEnd},
		"the caller's deadline after it":         {deadline(20 * s), 10 * s, seesTheTimeout, 30 * s, callerEnd},
		"that, and a finalizer's failure":        {cancelAfter(20 * s), 10 * s, effect.Ensuring[int](failing)(seesTheTimeout), 30 * s, callerEnd},
		"that, and a recovery inside":            {cancelAfter(20 * s), 10 * s, effect.TapError[int](func(error) effect.Effect[effect.Void] { return do(func() {}) })(seesTheTimeout), 30 * s, callerEnd},
		"a value after the caller's end":         {deadline(s), 10 * s, stubborn(2*s, three), 2 * s, "value 3"},
		"a failure of its own after that":        {deadline(s), 10 * s, beside(2*s, 0, errBoom), 2 * s, "boom"},
		"a failure of its own after both":        {deadline(s), 10 * s, beside(60*s, 0, errBoom), 60 * s, "boom"},
		"a finalizer's failure after the caller": {deadline(s), 10 * s, effect.Ensuring[int](failing)(stubborn(2*s, three)), 2 * s, "close failed"},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := test.bound(t.Context())
			defer cancel()
			start := time.Now()
			o := observe(ctx, effect.Timeout[int](test.d)(test.work))
			assert.Equal(t, test.takes, time.Since(start), name)
			assert.Equal(t, test.want, inWords(ctx, o), name)
			if timeout, ok := errors.AsType[*effect.TimeoutError](o.err); ok {
				assert.Equal(t, "TimeoutError", timeout.Tag())
				assert.Equal(t, test.want == fmt.Sprint("timed out after ", timeout.Duration), timeout.Err == nil, name)
				require.NotErrorIs(t, o.err, context.DeadlineExceeded, "%s: that is the caller's own deadline", name)
				require.True(t, timeout.Err == nil || errors.Is(o.err, timeout.Err), name)
			}
		})
	}
}
