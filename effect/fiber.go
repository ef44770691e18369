package effect

import (
	"context"
	"sync/atomic"

	"github.com/IBM/fp-go/v2/option"

	"github.com/effectlock/effectlock/internal/deferred"
)

// Fiber is a handle to an effect that runs alongside its caller. All its
// methods may be called from several goroutines, any number of times.
type Fiber[A any] struct {
	running  *scopeContext // the effect's context; nil if the fiber has no goroutine
	cancel   context.CancelFunc
	owner    deferred.Owner // set if the fiber has no goroutine: see StartDeferred
	ending   finalizer      // the entry in its scope; zero if it has none
	done     latch
	exit     Exit[A]     // written before done opens
	observed atomic.Bool // a method has returned exit
	ended    atomic.Bool // EndDeferred has been called
}

// Fork starts an effect in a goroutine of its own. The fiber is interrupted,
// and waited for, when the innermost Scoped, fiber, Run or lock in which Fork
// was called ends; it is also interrupted when the context of the call ends.
// Outside all of these only the context bounds it, and nothing waits for it.
//
// Fork fails if the context of the call has ended. In a finalizer of the scope it fails
// with [ErrScopeClosed]; a finalizer that forks needs a Scoped of its own. The failure of a
// fiber is reported only by its methods. A panic also fails the scope, unless a method has
// already reported it.
func Fork[A any](eff Effect[A]) Effect[*Fiber[A]] {
	return func(ctx context.Context) (*Fiber[A], error) {
		if ctx.Err() != nil {
			return nil, Interrupted(ctx, nil)
		}
		s, _ := ctx.Value(scopeKey{}).(*Scope)
		return forkIn(ctx, s, eff)
	}
}

// ForkIn starts an effect in a goroutine of its own. The fiber is interrupted, and waited
// for, when the scope closes. It starts even if the context of the call has ended, and
// outlives that context, as a keep-alive outlives the timeout of the acquire that forked
// it.
func ForkIn[A any](s *Scope) func(Effect[A]) Effect[*Fiber[A]] {
	return func(eff Effect[A]) Effect[*Fiber[A]] {
		return func(ctx context.Context) (*Fiber[A], error) {
			return forkIn(context.WithoutCancel(ctx), s, eff)
		}
	}
}

// forkIn starts a fiber in s, or in no scope if s is nil.
func forkIn[A any](ctx context.Context, s *Scope, eff Effect[A]) (*Fiber[A], error) {
	f := newFiber[A](ctx)
	if s != nil {
		if err := s.adopt(&f.ending, f); err != nil {
			f.cancel()
			return nil, err
		}
	}
	go f.run(eff)
	return f, nil
}

// interrupt asks the fiber to end, and does not wait for it.
func (f *Fiber[A]) interrupt() {
	if f.owner.Stopper != nil {
		f.owner.Stopper.Stop()
		return
	}
	f.cancel()
}

// end is the fiber's finalizer in its scope.
func (f *Fiber[A]) end(context.Context, Exit[any]) error {
	f.interrupt()
	<-f.done.opened()
	if f.exit.IsDefect() && !f.observed.Load() {
		return f.exit.err
	}
	return nil
}

func newFiber[A any](ctx context.Context) *Fiber[A] {
	ctx, cancel := context.WithCancel(ctx)
	return &Fiber[A]{cancel: cancel, running: newScope(ctx)}
}

// run is the body of the fiber's goroutine. A fiber that ended with a defect stays in its
// scope, which reports the defect when it closes.
func (f *Fiber[A]) run(eff Effect[A]) {
	defer func() {
		f.cancel()
		f.done.open()
		if s := f.ending.scope; s != nil && !f.exit.IsDefect() {
			s.remove(&f.ending)
		}
	}()
	runExitIn(f.running, eff, &f.exit)
}

// Await waits until the fiber has ended, and yields its exit. It never panics, and
// fails only if its own context ends while the fiber still runs.
func (f *Fiber[A]) Await() Effect[Exit[A]] {
	return func(ctx context.Context) (none Exit[A], err error) {
		if !f.done.isOpen() {
			select {
			case <-f.done.opened():
			case <-ctx.Done():
				if !f.done.isOpen() { // both may end at the same moment
					return none, Interrupted(ctx, nil)
				}
			}
		}
		return f.observe(), nil
	}
}

// Join waits until the fiber has ended, and ends in the same way: with its
// value, its error, or its panic, raised again as a *[Defect] that holds the stack
// of the fiber. Joining an interrupted fiber fails with context.Canceled.
func (f *Fiber[A]) Join() Effect[A] {
	return func(ctx context.Context) (none A, err error) {
		exit, err := f.Await()(ctx)
		if err != nil {
			return none, err
		}
		return exit.result()
	}
}

// Interrupt cancels the context of the fiber, waits until it has ended, and
// yields its exit. An effect that still ends with a value has succeeded. If the
// context of the call ends first, Interrupt fails, and the fiber is cancelled
// but may still be running.
func (f *Fiber[A]) Interrupt() Effect[Exit[A]] {
	return func(ctx context.Context) (Exit[A], error) {
		f.interrupt()
		return f.Await()(ctx)
	}
}

// Poll returns how the fiber ended, or None if it is still running.
func (f *Fiber[A]) Poll() option.Option[Exit[A]] {
	if !f.done.isOpen() {
		return option.None[Exit[A]]()
	}
	return option.Some(f.observe())
}

func (f *Fiber[A]) observe() Exit[A] {
	f.observed.Store(true)
	return f.exit
}
