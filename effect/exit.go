package effect

import (
	"context"
	"fmt"
	"strings"
)

// Exit is how an effect ended. The zero Exit is the success of the zero A. An Exit prints
// itself: see [Exit.String].
type Exit[A any] struct {
	kind   exitKind
	raised bool // the effect itself panicked; if false, a defect is that of a finalizer, in err
	value  A
	err    error
}

type exitKind uint8

const (
	success exitKind = iota
	failure
	defect
	interruption
)

// IsSuccess reports whether the effect yielded a value.
func (e Exit[A]) IsSuccess() bool { return e.kind == success }

// IsFailure reports whether the effect returned an error other than the end of its own context.
func (e Exit[A]) IsFailure() bool { return e.kind == failure }

// IsDefect reports whether the effect, or one of its finalizers, panicked or called runtime.Goexit.
func (e Exit[A]) IsDefect() bool { return e.kind == defect }

// IsInterruption reports whether the effect failed because its context had ended.
// Other failures, such as those of finalizers, may be joined to that error: see [Failures].
func (e Exit[A]) IsInterruption() bool { return e.kind == interruption }

// Value returns the value, and whether the effect succeeded.
func (e Exit[A]) Value() (A, bool) { return e.value, e.kind == success }

// Err returns nil for a success. Otherwise it returns the failure, the error of the
// interruption, or an error in which errors.As finds the *[Defect].
func (e Exit[A]) Err() error { return e.err }

// String is for people and logs: Success(42), Failure(disk full), Defect(panic: a bug),
// which leaves out the stack, or Interruption(context canceled).
func (e Exit[A]) String() string {
	switch e.kind {
	case success:
		return fmt.Sprintf("Success(%v)", e.value)
	case defect:
		return "Defect(" + withoutStack(e.err) + ")"
	case interruption:
		return "Interruption(" + e.err.Error() + ")"
	default:
		return "Failure(" + e.err.Error() + ")"
	}
}

// withoutStack is the text of err without the stacks of the defects that it joins.
func withoutStack(err error) string {
	var texts []string
	for _, failure := range Failures(err) {
		text := failure.Error()
		if d, ok := asDefect(failure); ok {
			text = strings.Replace(text, d.Error(), d.text(withoutStack), 1)
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, "\n")
}

// Match returns a function that turns an [Exit] into a B by calling the argument for how
// the effect ended.
func Match[A, B any](
	onSuccess func(A) B,
	onFailure func(error) B,
	onDefect func(*Defect) B,
	onInterruption func(error) B,
) func(Exit[A]) B {
	return func(e Exit[A]) B {
		switch e.kind {
		case success:
			return onSuccess(e.value)
		case defect:
			d, _ := asDefect(e.err)
			return onDefect(d)
		case interruption:
			return onInterruption(e.err)
		default:
			return onFailure(e.err)
		}
	}
}

// exitOf classifies what an effect that ran under ctx returned.
func exitOf[A any](ctx context.Context, a A, err error) Exit[A] {
	kind := failure
	if err == nil {
		kind = success
	} else if _, ok := asDefect(err); ok {
		kind = defect
	} else if isInterruption(ctx, err) {
		kind = interruption
	}
	return Exit[A]{kind: kind, value: a, err: err}
}

// exitDefect is the exit of an effect that panicked itself.
func exitDefect[A any](d *Defect) Exit[A] { return Exit[A]{kind: defect, raised: true, err: d} }

func (e Exit[A]) erased() Exit[any] {
	return Exit[any]{kind: e.kind, raised: e.raised, value: e.value, err: e.err}
}

// result ends the calling effect as e ended. The defect of a finalizer is returned, not
// raised, because raising it would lose the error of the work.
func (e Exit[A]) result() (A, error) {
	if e.raised {
		d, _ := asDefect(e.err)
		d.raise()
	}
	return e.value, e.err
}
