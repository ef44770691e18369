package effect

import (
	"context"
	"runtime/debug"
	"sync/atomic"

	"github.com/IBM/fp-go/v2/option"

	"github.com/effectlock/effectlock/internal/deferred"
)

// Fiber is the handle of an effect that runs beside its caller. All its
// methods may be called from several goroutines, any number of times.
type Fiber[A any] struct {
	running *scopeContext // of the effect, if it has a goroutine of its own
	cancel  context.CancelFunc
	owner   deferred.Owner // of a fiber without a goroutine: see StartDeferred
	ending  finalizer      // in its scope, if it has one
	done    latch
	exit    Exit[A]     // written before done opens
	seen    atomic.Bool // somebody was told how it ended
	ended   atomic.Bool // by EndDeferred
}

// Fork starts an effect in a goroutine of its own. The fiber is interrupted,
// and waited for, when the innermost Scoped, fiber, Run or lock in which Fork
// was called ends; it is also interrupted when the context of the call ends.
// Outside all of these only the context bounds it, and nobody waits for it.
//
// Fork fails if the context of the call has ended, and with [ErrScopeClosed]
// in a finalizer of the scope, which would wait for the fiber in vain; a
// finalizer that forks makes a Scoped of its own. A failure of a fiber is told
// by its methods and by nothing else; but a panic that nobody was told of fails
// the scope.
//
// Effect's fork ties the child to the parent fiber alone; here a Scoped, too,
// does not return while what was forked in it runs.
func Fork[A any](eff Effect[A]) Effect[*Fiber[A]] {
	return func(ctx context.Context) (*Fiber[A], error) {
		if ctx.Err() != nil {
			return nil, Interrupted(ctx, nil)
		}
		s, ok := ctx.Value(scopeKey{}).(*Scope)
		if !ok {
			f := newFiber[A](ctx)
			go f.run(eff)
			return f, nil
		}
		return forkIn(ctx, s, eff)
	}
}

// ForkIn starts an effect in a goroutine of its own, which is interrupted and
// waited for when the scope closes. The end of the context in which it is
// forked neither ends it nor keeps it from starting: a keep-alive must outlive
// the timeout on the acquire that started it.
func ForkIn[A any](s *Scope) func(Effect[A]) Effect[*Fiber[A]] {
	return func(eff Effect[A]) Effect[*Fiber[A]] {
		return func(ctx context.Context) (*Fiber[A], error) {
			return forkIn(context.WithoutCancel(ctx), s, eff)
		}
	}
}

func forkIn[A any](ctx context.Context, s *Scope, eff Effect[A]) (*Fiber[A], error) {
	f := newFiber[A](ctx)
	if err := s.adopt(&f.ending, f); err != nil {
		f.cancel()
		return nil, err
	}
	go f.runOwned(eff)
	return f, nil
}

// interrupt has the fiber end soon.
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
	if f.exit.IsDefect() && !f.seen.Load() {
		return f.exit.err
	}
	return nil
}

func newFiber[A any](ctx context.Context) *Fiber[A] {
	ctx, cancel := context.WithCancel(ctx)
	return &Fiber[A]{cancel: cancel, running: newScope(ctx)}
}

// runOwned runs the fiber, which its scope then can forget, but for a defect.
func (f *Fiber[A]) runOwned(eff Effect[A]) {
	defer func() {
		if !f.exit.IsDefect() {
			f.ending.scope.remove(&f.ending)
		}
	}()
	f.run(eff)
}

// run is the goroutine of the fiber.
func (f *Fiber[A]) run(eff Effect[A]) {
	defer f.done.open()
	defer f.cancel()
	returned := false
	defer func() {
		if !returned {
			f.exit = exitDefect[A](&Defect{Value: ErrGoexit, Stack: debug.Stack()})
		}
	}()
	f.exit = runExitIn(f.running, eff)
	returned = true
}

// Await waits until the fiber has ended, and yields its exit. It never panics, and
// fails only if its own context ends while the fiber still runs.
func (f *Fiber[A]) Await() Effect[Exit[A]] {
	return func(ctx context.Context) (none Exit[A], err error) {
		if f.done.isOpen() {
			return f.told(), nil
		}
		select {
		case <-f.done.opened():
			return f.told(), nil
		case <-ctx.Done():
			if f.done.isOpen() { // at the same moment
				return f.told(), nil
			}
			return none, Interrupted(ctx, nil)
		}
	}
}

// Join waits until the fiber has ended, and ends in the same way: with its
// value, its error, or its panic, raised again as a *[Defect] that has the stack
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
// yields how. An effect that ends with a value all the same has succeeded. If
// the context of the call ends first, Interrupt fails, and the fiber is
// cancelled but may still run.
func (f *Fiber[A]) Interrupt() Effect[Exit[A]] {
	return func(ctx context.Context) (Exit[A], error) {
		f.interrupt()
		return f.Await()(ctx)
	}
}

// Poll returns how the fiber ended, None if it still runs.
func (f *Fiber[A]) Poll() option.Option[Exit[A]] {
	if !f.done.isOpen() {
		return option.None[Exit[A]]()
	}
	return option.Some(f.told())
}

func (f *Fiber[A]) told() Exit[A] {
	f.seen.Store(true)
	return f.exit
}
