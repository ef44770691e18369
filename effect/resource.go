package effect

import "context"

// Resource acquires an A in a scope, which releases it when it closes. [AcquireRelease]
// returns one. It is an alias, so functions and methods of that type, such as the Acquire
// of a mutex, need no conversion.
type Resource[A any] = func(*Scope) Effect[A]

// Use acquires a resource, runs the effect that use returns for it, and releases the
// resource however that effect ends. It does not start the effect if the context has ended
// by then. Errors, panics and values beside an error are those of [Scoped].
func Use[A, B any](use Kleisli[A, B]) func(Resource[A]) Effect[B] {
	return func(r Resource[A]) Effect[B] {
		return Scoped(func(s *Scope) Effect[B] { return FlatMap(use)(r(s)) })
	}
}

// Then acquires a resource, then the one that next returns for it, and yields the second.
// Both are held until the scope closes, which releases the second first.
//
// If the second cannot be acquired, the first is released at once rather than when the
// scope closes, so a [Retry] of both does not wait for a lock that the scope still holds.
// An error of that release is joined after the failure.
func Then[A, B any](next func(A) Resource[B]) func(Resource[A]) Resource[B] {
	return func(first Resource[A]) Resource[B] {
		return allOrNone(func(s *Scope) Effect[B] {
			return FlatMap(func(a A) Effect[B] { return next(a)(s) })(first(s))
		})
	}
}

// Both acquires a resource, then second, as [Then] does, and yields what both returns for
// the two. They are released in reverse order. Processes that acquire the same two locks
// must do so in the same order, or they may wait for each other.
func Both[A, B, C any](second Resource[B], both func(A, B) C) func(Resource[A]) Resource[C] {
	return Then(func(a A) Resource[C] {
		return func(s *Scope) Effect[C] { return Map(func(b B) C { return both(a, b) })(second(s)) }
	})
}

// group is the scope of resources that are acquired and released as one.
type group struct {
	finalizer
	scope Scope
}

func (g *group) end(ctx context.Context, exit Exit[any]) error { return g.scope.close(ctx, exit) }

// allOrNone releases what r has acquired if the rest of r cannot be acquired.
func allOrNone[A any](r Resource[A]) Resource[A] {
	return func(s *Scope) Effect[A] {
		return func(ctx context.Context) (none A, err error) {
			if s.isClosed() {
				return none, ErrScopeClosed
			}
			g := new(group)
			// r is called inside: it may use the scope before it panics.
			acquire := func(ctx context.Context) (A, error) { return r(&g.scope)(ctx) }
			a, err := finalize(ctx, acquire, func(exit Exit[A]) error {
				if exit.IsSuccess() {
					return nil
				}
				return g.end(ctx, exit.erased())
			})
			if err != nil {
				return a, err
			}
			if err := s.adopt(&g.finalizer, g); err != nil { // closed while we acquired
				return none, join(err, g.end(s.ctx, s.exit))
			}
			return a, nil
		}
	}
}
