package effect

import "context"

// ZipPar runs an effect and second concurrently, each in its own goroutine, and yields what
// both returns for their values. The first failure cancels the other effect, and is
// returned once both have ended; another failure, apart from that cancellation, is joined
// after it. A value is then dropped. For panics see [RaceFirst].
func ZipPar[A, B, C any](second Effect[B], both func(A, B) C) Operator[A, C] {
	return func(first Effect[A]) Effect[C] {
		return func(ctx context.Context) (none C, err error) {
			var a A
			var b B
			if _, err := All(0, storing(&a, first), storing(&b, second))(ctx); err != nil {
				return none, err
			}
			return both(a, b), nil
		}
	}
}

// storing lets effects of several types run in one [All].
func storing[A any](a *A, eff Effect[A]) Effect[Void] {
	return func(ctx context.Context) (none Void, err error) {
		*a, err = eff(ctx)
		return none, err
	}
}

// ApS is a step of fp-go's Do-notation that does not depend on the steps before it: it runs
// them and e concurrently, as [ZipPar] does, and uses setter to add the value of e to
// theirs.
//
// The ApS of fp-go is not safe under a lock. If the steps before panic, e runs on after the
// lock has been released. A panic of e ends the process, and a runtime.Goexit of e counts as
// a success. A failure of e may be lost behind the cancellation that it causes.
func ApS[S1, S2, T any](setter func(T) func(S1) S2, e Effect[T]) Operator[S1, S2] {
	return ZipPar(e, func(s S1, t T) S2 { return setter(t)(s) })
}
