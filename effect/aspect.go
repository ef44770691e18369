package effect

import (
	"context"
	"sync"
	"time"

	"github.com/effectlock/effectlock/schedule"
)

// Aspect is a policy for effects of any type, which [With] applies: [Retrying], [Within],
// [Scheduled], or an operator such as Ensuring[Void](flush).
//
// An aspect may run its effect again, later, several times at once, or in another
// goroutine, and may run other effects around it. It must run the effect under a context
// derived from its own, and must not succeed unless a run of the effect did.
type Aspect = Operator[Void, Void]

// Retrying is [Retry] as an [Aspect].
func Retrying(s schedule.Schedule) Aspect { return Retry[Void](s) }

// Within is [Timeout] as an [Aspect].
func Within(d time.Duration) Aspect { return Timeout[Void](d) }

// With runs e inside the aspects. The first aspect is the innermost:
//
//	With(e, Within(time.Second), Retrying(policy)) // a second for each try
//	With(e, Retrying(policy), Within(time.Second)) // a second for all tries together
//
// For an Effect[Void], With(e, a, b) does what b(a(e)) does, and With(e) does what e does.
// Each aspect is applied once, when With is called. The resulting effect may be called any
// number of times, and concurrently: every call keeps its own values.
//
// If the aspects succeed, With yields the value of the run that succeeded last; if runs
// overlap, that may be any of them. If no run succeeded, because an aspect did not run e
// or recovered from its failure, With fails with a *[NoValueError].
//
// If the aspects fail, With fails with their error. Beside it, With returns the value of
// the run that ended last, even if that run failed, so the receipt for a payment is not
// lost because a lock could not be released.
//
// A run that ends after With has returned is ignored. Panics and runtime.Goexit pass
// through.
func With[A any](e Effect[A], aspects ...Aspect) Effect[A] {
	key := new(byte)
	// The aspects are applied here, not in each call: an aspect that counts failures, to stop
	// calling a server that is down, would start from zero each time. So a run finds its call
	// through its context.
	whole := Action(func(ctx context.Context) error {
		if c, ok := ctx.Value(key).(*withContext[A]); ok {
			return c.run(ctx, e)
		}
		_, err := e(ctx)
		return err
	})
	for _, aspect := range aspects {
		whole = aspect(whole)
	}
	return func(ctx context.Context) (A, error) {
		c := &withContext[A]{Context: ctx, key: key}
		_, err := whole(c)
		return c.result(err)
	}
}

// withContext is the context of one call of an effect made by [With].
type withContext[A any] struct {
	context.Context
	key *byte // one for each With

	mu            sync.Mutex
	last, success withRun[A] // the run that ended last, and the one that succeeded last
}

// withRun is what a run returned; it is zero if the run panicked.
type withRun[A any] struct {
	value     A
	err       error
	succeeded bool
}

func (c *withContext[A]) Value(key any) any {
	if key == c.key {
		return c
	}
	return c.Context.Value(key)
}

func (c *withContext[A]) run(ctx context.Context, e Effect[A]) error {
	var r withRun[A]
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.last = r
		if r.succeeded {
			c.success = r
		}
	}()
	a, err := e(ctx)
	r = withRun[A]{a, err, err == nil}
	return err
}

// result is what With returns when the aspects have ended with err.
func (c *withContext[A]) result(err error) (A, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err != nil:
		return c.last.value, err
	case !c.success.succeeded:
		return c.last.value, &NoValueError{Err: c.last.err}
	}
	return c.success.value, nil
}

// NoValueError is the failure of [With] when its aspects succeeded although no run of the
// effect did, so that there is no value to yield. Recover from failures outside of With,
// for example with [OrElse], and skip work with an operator whose type says so, for
// example WithLockIfAvailable of package mutex.
type NoValueError struct {
	// Err is the failure of the last run, from which an aspect recovered. It is nil if the
	// effect did not run under the context of its call, or panicked.
	Err error
}

// Tag returns "NoValueError".
func (*NoValueError) Tag() string { return "NoValueError" }

func (e *NoValueError) Error() string {
	if e.Err == nil {
		return "an aspect succeeded without the value of the effect: skip the effect outside of With, where the type can say so, as WithLockIfAvailable does"
	}
	return "an aspect recovered from a failure and has no value to put in its place: recover outside of With, for example with OrElse: " + e.Err.Error()
}

// Unwrap returns Err.
func (e *NoValueError) Unwrap() error { return e.Err }
