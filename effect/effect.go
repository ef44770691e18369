// Package effect is a small runtime for effects that are plain Go functions.
//
//	fetch := func(ctx context.Context) (string, error) { ... } // already an effect
//	retried := effect.With(fetch, effect.Within(time.Second), effect.Retrying(policy))
//	text, err := retried(ctx)
//
// An effect is a func(context.Context) (A, error). It does nothing until it is called: the
// statement effect.With(fetch, ...), without (ctx) after it, compiles and runs nothing. An
// effect may be called any number of times, and from several goroutines.
//
// Every function or method of that type is already an effect; [Action], [Sync] and [Try]
// convert others. The combinators of fp-go's idiomatic/context/readerresult take and return
// the same type, but not all of them are safe under a lock: see docs/fp-go.md in the
// repository.
//
// The package adds what code that holds locks needs: failures matched by type ([CatchTag])
// or turned into values ([Attempt]), policies for effects of any type ([With]), retries and
// jobs driven by a schedule ([Retry], [Scheduled]), resources that are always released
// ([Scoped], [AcquireRelease], [Use]), and goroutines that cannot leak ([All], [ZipPar],
// [Fork]).
//
// # How an effect ends
//
// An effect ends in one of the four ways of an [Exit]: with a value, with a
// failure (an error that it returned), with a defect (a panic, or
// runtime.Goexit), or by interruption (its context ended). Operators that
// recover from failures leave defects and the caller's own interruption alone.
//
// # A value beside an error
//
// If the work succeeds but something after it fails, such as a finalizer, the value of the
// work is returned beside the error. So the receipt for a payment is not lost because the
// lock on the account could not be released. Operators that pass a failure on keep the
// value: [Timeout], [Retry] when it gives up, [Repeat], [Tap], [MapError], [With]. The
// value is dropped when another effect runs next, such as the next run of Retry or a
// handler of [CatchTag], and by operators that would have to convert it, such as [Map] and
// [FlatMap].
//
// # Several failures
//
// When both the work and a finalizer fail, the error joins the two as errors.Join does, the
// failure of the work first. errors.Is and errors.As find each of them; [Failures] lists
// them. [CatchTag] and [RetryWhile] act only if they accept every one of them; otherwise
// they leave the error unchanged.
//
// # Contexts
//
// Every error that stands for the end of a context satisfies errors.Is with
// ctx.Err(), and with context.Cause(ctx) where that is another error.
package effect

import (
	"context"
	"time"

	"github.com/IBM/fp-go/v2/idiomatic/context/readerresult"
)

// Effect is a computation of an A that may fail. It is an alias, so that plain
// functions and fp-go's ReaderResult need no conversion.
type Effect[A any] = readerresult.ReaderResult[A]

// Operator turns one effect into another. A pipeline is a chain of operators.
type Operator[A, B any] = func(Effect[A]) Effect[B]

// Kleisli is a function that returns an effect.
type Kleisli[A, B any] = func(A) Effect[B]

// Void is the value of an effect that has no result.
type Void = struct{}

// Never is the value type of an effect that can end only by failing. Its one value is
// nil.
type Never interface{ never() }

// Succeed returns an effect that yields a.
func Succeed[A any](a A) Effect[A] { return readerresult.Of(a) }

// Fail returns an effect that fails with err.
func Fail[A any](err error) Effect[A] { return readerresult.Left[A](err) }

// Sleep waits for d, or fails as soon as its context ends. If d is zero or negative, it
// only checks the context.
func Sleep(d time.Duration) Effect[Void] {
	return func(ctx context.Context) (none Void, err error) {
		if ctx.Err() == nil {
			if d <= 0 {
				return none, nil
			}
			select {
			case <-time.After(d):
				return none, nil
			case <-ctx.Done():
			}
		}
		return none, Interrupted(ctx, nil)
	}
}

// Map applies f to the value of an effect. It drops a value beside an error: that may be a
// zero value, which f need not accept.
func Map[A, B any](f func(A) B) Operator[A, B] { return readerresult.Map(f) }

// FlatMap runs the effect that f returns for the value. It does not start that effect if
// the context has ended by then.
//
// If the context was cancelled, errors.Is(err, context.Canceled) is true. With fp-go's
// Chain it is false if the context has a cause of its own.
func FlatMap[A, B any](f Kleisli[A, B]) Operator[A, B] {
	return func(first Effect[A]) Effect[B] {
		return func(ctx context.Context) (b B, err error) {
			a, err := first(ctx)
			if err != nil {
				return b, err
			}
			return start(ctx, f, a)
		}
	}
}

func start[A, B any](ctx context.Context, f Kleisli[A, B], a A) (b B, err error) {
	if ctx.Err() != nil {
		return b, Interrupted(ctx, nil)
	}
	return f(a)(ctx)
}

// Tap runs the effect that f returns for the value, and yields the value. If that effect
// fails, or the context has ended before it starts, the value is returned beside the error.
func Tap[A, B any](f Kleisli[A, B]) Operator[A, A] {
	return func(first Effect[A]) Effect[A] {
		return func(ctx context.Context) (A, error) {
			a, err := first(ctx)
			if err == nil {
				_, err = start(ctx, f, a)
			}
			return a, err
		}
	}
}

// As replaces the value of an effect with b.
func As[A, B any](b B) Operator[A, B] { return Map(func(A) B { return b }) }

// ZipRight runs an effect, then second, and yields the value of second.
func ZipRight[A, B any](second Effect[B]) Operator[A, B] {
	return FlatMap(func(A) Effect[B] { return second })
}

// Absurd converts an effect that can end only by failing to an Effect of any type, as in
// RaceFirst(work, Absurd[int](lock.Join())).
func Absurd[A any](never Effect[Never]) Effect[A] {
	return func(ctx context.Context) (a A, err error) {
		_, err = never(ctx)
		return a, err
	}
}
