package effect

import (
	"context"
	"errors"
	"sync"
)

// Scope is the lifetime of resources: what is acquired in it is released when
// it closes, last in first out. [Scoped] makes a scope and closes it; nothing
// else can, so a resource that asks for a Scope cannot be left open.
//
// A Scope may be used from several goroutines. Do not use the zero Scope: nothing closes
// it.
type Scope struct {
	mu     sync.Mutex
	closed bool
	last   *finalizer

	// ctx and exit are set when the scope closes, for finalizers that are added later.
	ctx  context.Context
	exit Exit[any]
}

// finalizer is the entry of an ender in the list of its scope. It is embedded in the ender,
// since container/list would cost one more allocation for each.
type finalizer struct {
	scope      *Scope
	ending     ender
	prev, next *finalizer
}

// ender is anything that a scope ends when it closes: a resource, a group of resources or a
// fiber. end must not panic.
type ender interface {
	end(ctx context.Context, exit Exit[any]) error
}

// ErrScopeClosed is the failure of acquiring or forking in a scope that has closed.
var ErrScopeClosed = errors.New("effect: the scope has closed: acquire and fork before it closes, or in a Scoped of its own")

// Scoped runs the effect that body returns for a new scope, and closes the scope when that
// effect ends: with a value, an error, a panic, the end of its context or runtime.Goexit.
//
// Each finalizer runs exactly once, under a context that outlives the context of
// the work and is bounded by [FinalizerTimeout]. A finalizer that fails or panics
// does not keep the others from running. The errors of finalizers are joined after
// the work's own, their panics as *[Defect] values; the work's value is returned
// beside the error. A panic of the work continues once the finalizers have run; if
// one of them failed, it continues as a *[Defect] that holds both.
func Scoped[A any](body func(*Scope) Effect[A]) Effect[A] {
	return func(ctx context.Context) (A, error) {
		c := newScope(ctx)
		// body is called inside: it may use the scope before it panics.
		return runIn(c, func(ctx context.Context) (A, error) { return body(&c.scope)(ctx) })
	}
}

// scopeContext is a context in which Fork finds the scope for its fiber.
type scopeContext struct {
	context.Context
	scope Scope
}

type scopeKey struct{}

func newScope(ctx context.Context) *scopeContext { return &scopeContext{Context: ctx} }

func (c *scopeContext) Value(key any) any {
	if key == (scopeKey{}) {
		return &c.scope
	}
	return c.Context.Value(key)
}

// runIn runs eff, and then closes the scope.
func runIn[A any](c *scopeContext, eff Effect[A]) (A, error) {
	return finalize(c, eff, func(exit Exit[A]) error { return c.scope.close(c, exit.erased()) })
}

// AddFinalizer registers a finalizer to run when the scope closes, even if the
// context of the call has ended. In a scope that is closing or has closed, the
// finalizer runs at once, in the calling goroutine, and AddFinalizer fails with
// its error, or with its panic as a *[Defect].
func (s *Scope) AddFinalizer(f func(Exit[any]) Effect[Void]) Effect[Void] {
	return func(context.Context) (none Void, err error) {
		r := &resource[Void]{release: func(_ Void, exit Exit[any]) Effect[Void] { return f(exit) }}
		if s.adopt(&r.finalizer, r) != nil {
			err = r.end(s.ctx, s.exit)
		}
		return none, err
	}
}

// AcquireRelease acquires a resource and registers its release in the scope.
//
// Nothing can come between the two: if acquire yields a value, it will be
// released, even if the context ended at that moment. Unlike Effect's
// acquireRelease, the acquisition can be interrupted while it waits; an acquire
// that fails must leave nothing behind. A value that it returns beside its error is
// passed on but not released: it may be the zero value.
func AcquireRelease[A any](acquire Effect[A], release func(A, Exit[any]) Effect[Void]) Resource[A] {
	return func(s *Scope) Effect[A] {
		return func(ctx context.Context) (none A, err error) {
			if s.isClosed() {
				return none, ErrScopeClosed
			}
			a, err := acquire(ctx)
			if err != nil {
				return a, err
			}
			r := &resource[A]{value: a, release: release}
			if err := s.adopt(&r.finalizer, r); err != nil { // closed while we acquired
				return none, join(err, r.end(s.ctx, s.exit))
			}
			return a, nil
		}
	}
}

// resource is a value that was acquired in a scope, and its release.
type resource[A any] struct {
	finalizer
	value   A
	release func(A, Exit[any]) Effect[Void]
}

func (r *resource[A]) end(ctx context.Context, exit Exit[any]) error {
	return runFinalizer(ctx, func() Effect[Void] { return r.release(r.value, exit) })
}

// AcquireUseRelease acquires a resource, runs the effect that use returns for it, and
// releases the resource however that effect ends. It is [Use] of an [AcquireRelease].
func AcquireUseRelease[A, B any](acquire Effect[A], use Kleisli[A, B], release func(A, Exit[any]) Effect[Void]) Effect[B] {
	return Use(use)(AcquireRelease(acquire, release))
}

// adopt registers ending by its entry f, which must be zero. It takes no context: a
// registration cannot be cancelled.
func (s *Scope) adopt(f *finalizer, ending ender) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrScopeClosed
	}
	f.scope, f.ending, f.prev = s, ending, s.last
	if s.last != nil {
		s.last.next = f
	}
	s.last = f
	return nil
}

// remove unregisters f, unless the scope has already taken it out to end it.
func (s *Scope) remove(f *finalizer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.next != nil || s.last == f {
		s.unlink(f)
	}
}

func (s *Scope) unlink(f *finalizer) {
	if f.prev != nil {
		f.prev.next = f.next
	}
	if f.next != nil {
		f.next.prev = f.prev
	} else {
		s.last = f.prev
	}
	f.prev, f.next = nil, nil
}

func (s *Scope) takeLast() *finalizer {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.last
	if f != nil {
		s.unlink(f)
	}
	return f
}

func (s *Scope) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

func (s *Scope) close(ctx context.Context, exit Exit[any]) error {
	s.mu.Lock()
	s.closed, s.ctx, s.exit = true, ctx, exit
	s.mu.Unlock()
	return s.runAll()
}

func (s *Scope) runAll() (err error) {
	finished := false
	defer func() {
		if !finished { // a finalizer called runtime.Goexit: the others still run
			_ = s.runAll()
		}
	}()
	for f := s.takeLast(); f != nil; f = s.takeLast() {
		err = join(err, f.ending.end(s.ctx, s.exit))
	}
	finished = true
	return err
}
