package mutex

import (
	"context"
	"errors"

	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/internal/failures"
)

// Kind says what an error of this package means for its caller. A switch over it is checked
// by the linter exhaustive; [Fold] and [CatchErrors] are checked by the compiler.
type Kind uint8

// The kinds of errors.
const (
	// KindNone: the error is nil.
	KindNone Kind = iota
	// KindLost: the lock was lost, and another holder may have worked at the same time.
	// errors.As finds the *LockLostError. The error may hold other failures as well.
	KindLost
	// KindStore: the store failed. errors.As finds the *MutexBackingError, whose Operation
	// is release if the work has run to its end.
	KindStore
	// KindNotAcquired: the lock was not free in time, and the work did not run. errors.As
	// finds the *LockNotAcquiredError.
	KindNotAcquired
	// KindCanceled: a context ended, the caller's or one that the work made for itself.
	// The work may have run: the timeout of an http.Client is of this kind too. errors.Is
	// finds context.Canceled or context.DeadlineExceeded.
	KindCanceled
	// KindOther: the work failed, or this package with an error that no other kind covers,
	// such as *ReentrantError.
	KindOther
)

// String is for people and logs: none, lost, store, not acquired, canceled or other.
func (k Kind) String() string {
	switch k {
	case KindNone:
		return "none"
	case KindLost:
		return "lost"
	case KindNotAcquired:
		return "not acquired"
	case KindStore:
		return "store"
	case KindCanceled:
		return "canceled"
	case KindOther:
	}
	return "other"
}

// KindOf returns the kind of an error.
//
// If the error joins several failures (see effect.Failures), the kind is the first of these
// that one of them has: KindLost, KindOther, KindCanceled, KindNotAcquired, KindStore. So a
// loss is never hidden, and an error is of KindStore only if nothing but the store failed.
// For the same reason an *effect.TimeoutError is of KindOther, whatever failures of the
// store it holds.
//
// If the work itself uses another lock, the failure of that lock has the same kind as a
// failure of the outer one, although the work ran up to there. The Key of the error says
// which lock failed.
func KindOf(err error) Kind {
	if err == nil {
		return KindNone
	}
	if has[*LockLostError](err) {
		return KindLost
	}
	kind := KindNone
	for _, failure := range effect.Failures(err) {
		kind = max(kind, kindOfOne(failure))
	}
	return kind
}

func kindOfOne(failure error) Kind {
	switch {
	case errors.Is(failure, context.Canceled), errors.Is(failure, context.DeadlineExceeded):
		return KindCanceled // also if the store has failed before that
	case timedOutAround(failure):
		return KindOther // cancelled by a timeout around the lock, and then the release failed
	case has[*MutexBackingError](failure):
		return KindStore
	case has[*LockNotAcquiredError](failure):
		return KindNotAcquired
	}
	return KindOther
}

// timedOutAround reports whether failure is a timeout around a lock. The timeout of one
// request to the store is inside the *MutexBackingError.
func timedOutAround(failure error) bool {
	timeout, ok := errors.AsType[*effect.TimeoutError](failure)
	return ok && (has[*MutexBackingError](timeout) || has[*LockNotAcquiredError](timeout))
}

func has[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// Fold returns a function that turns any error into a B, such as an HTTP status or an exit
// code. All four cases must be given, or the call does not compile. [KindOf] decides which
// of them is called; other gets everything else, including the end of the caller's context
// and a nil error.
func Fold[B any](
	lost func(*LockLostError) B,
	notAcquired func(*LockNotAcquiredError) B,
	store func(*MutexBackingError) B,
	other func(error) B,
) func(error) B {
	return func(err error) B {
		switch KindOf(err) {
		case KindLost:
			return fold(err, lost)
		case KindNotAcquired:
			return fold(err, notAcquired)
		case KindStore:
			return fold(err, store)
		case KindNone, KindCanceled, KindOther:
		}
		return other(err)
	}
}

func fold[E error, B any](err error, f func(E) B) B {
	e, _ := errors.AsType[E](err)
	return f(e)
}

// CatchErrors recovers from the three ways in which a lock can fail. All three handlers
// must be given, or the call does not compile.
//
// As with effect.CatchTags, other failures, defects and the end of the caller's context
// stay as they are. If several failures are joined (see effect.Failures), each must be one
// of the three, so no handler turns failed work into a success. [KindOf] decides which
// handler runs, so a loss is never hidden. To handle every error, use [Fold].
func CatchErrors[A any](
	lost func(*LockLostError) effect.Effect[A],
	notAcquired func(*LockNotAcquiredError) effect.Effect[A],
	store func(*MutexBackingError) effect.Effect[A],
) effect.Operator[A, A] {
	return func(eff effect.Effect[A]) effect.Effect[A] {
		return func(ctx context.Context) (A, error) {
			a, err := eff(ctx)
			ended := func(context.Context) (A, error) { return a, err }
			other := func(error) effect.Effect[A] { return ended }
			handle := Fold(lost, notAcquired, store, other)
			if !failures.All(err, isOfLock) {
				handle = other
			}
			return effect.CatchAll(handle)(ended)(ctx)
		}
	}
}

func isOfLock(failure error) bool {
	kind := KindOf(failure)
	return kind == KindLost || kind == KindStore || kind == KindNotAcquired
}
