package mutex

import (
	"context"

	"github.com/IBM/fp-go/v2/option"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/effect"
	leases "github.com/effectlock/effectlock/internal/lease"
	"github.com/effectlock/effectlock/internal/turn"
)

// Mutex is the lock of one key in one store. All mutexes of that key and store are the same
// lock, so a program may make one and keep it, or make one for each use. It is safe for
// concurrent use. It is not reentrant: work that waits for its own lock fails with a
// *[ReentrantError].
type Mutex struct {
	store    backing.Backing
	passer   backing.Passer // this and the next two are nil if the store does not have the ability
	queue    backing.Queue
	releaser backing.Releaser
	key      string

	waitQueue *waitQueue
	renewer   *leases.Renewer
	cleaner   *cleaner
	settings
}

// New makes a mutex. It does not talk to the store. It fails with a *[ConfigError], which
// names the wrong argument.
func New(b backing.Backing, key string, c Config) (*Mutex, error) {
	if err := check(b, key); err != nil {
		return nil, err
	}
	s, err := c.resolve()
	if err != nil {
		return nil, err
	}
	abilities := backing.AbilitiesOf(b)
	renewer := leases.Key{Store: b, TTL: s.ttl, Interval: s.refreshInterval}
	return &Mutex{
		store: b, key: key, settings: s,
		passer: abilities.Passer, queue: abilities.Queue, releaser: abilities.Releaser,
		waitQueue: waitQueues.of(lock{b, key}, func() *waitQueue { return &waitQueue{state: turn.State{Limit: 1}} }),
		renewer: renewers.of(renewer, func() *leases.Renewer {
			return leases.NewRenewer(renewer, abilities.Batcher, s.operationTimeout)
		}),

		cleaner: cleaners.of(b, newCleaner),
	}, nil
}

// The mutexes of one lock share its wait queue.
var waitQueues shared[lock, waitQueue]

type lock struct {
	store backing.Backing
	key   string
}

// Make is [New] as an effect that takes the store as its last argument.
func Make(key string, c Config) func(backing.Backing) effect.Effect[*Mutex] {
	return func(b backing.Backing) effect.Effect[*Mutex] {
		return func(context.Context) (*Mutex, error) { return New(b, key, c) }
	}
}

// Key returns the key of the lock.
func (m *Mutex) Key() string { return m.key }

// IsLocked reports whether any holder has the lock. The answer may be out of date when it
// arrives, so use it for display only: to work if the lock is free, use [Mutex.TryDo]. It
// fails with *[MutexBackingError] or the error of its context.
func (m *Mutex) IsLocked(ctx context.Context) (bool, error) {
	return ask(ctx, m, OperationIsLocked, func(ctx context.Context) (bool, error) {
		return m.store.IsLocked(ctx, m.key)
	})
}

// Holder returns the id of the holder that has the lock, or None. As with [Mutex.IsLocked],
// the answer may be out of date when it arrives. It fails with *[MutexBackingError] or the
// error of its context.
func (m *Mutex) Holder(ctx context.Context) (option.Option[string], error) {
	return ask(ctx, m, OperationGetHolder, func(ctx context.Context) (option.Option[string], error) {
		return m.store.GetHolder(ctx, m.key)
	})
}

// WithLock returns an effect that waits for the lock, as Config.AcquireRetryPolicy says,
// runs work while it holds the lock, and releases it. The package documentation lists its
// guarantees. Nothing happens until the effect is called: WithLock(m, work)(ctx).
//
// The work runs in the calling goroutine. Its context ends when the caller's does, or when
// the lock is lost. Fibers that it forks end before the lock is released. If the work
// yields a value but the lock is lost or cannot be released, the value is returned beside
// the error.
//
// WithLock fails with *[LockNotAcquiredError], *[LockLostError], *[MutexBackingError],
// *[ReentrantError], the error of the context, or that of the work. If both the work and
// the release fail, the error joins both: see effect.Failures. If the caller's context ends
// while WithLock waits, it fails within 0.2 s; a clean-up may continue in the background,
// see [AwaitCleanup].
//
// Retry inside the lock, not around it. If only the release has failed, a retry around the
// lock runs the work again.
func WithLock[A any](m *Mutex, work effect.Effect[A]) effect.Effect[A] {
	return effect.Scoped(func(s *effect.Scope) effect.Effect[A] {
		return func(ctx context.Context) (none A, err error) {
			lock, err := m.hold(ctx, s, m.wait)
			if err != nil {
				return none, err
			}
			return runUnder(ctx, lock, work)
		}
	})
}

// Locked is [WithLock] for pipelines.
func Locked[A any](m *Mutex) effect.Operator[A, A] {
	return func(work effect.Effect[A]) effect.Effect[A] { return WithLock(m, work) }
}

// Aspect is [Locked] for effect.With, which takes effects of any type:
//
//	effect.With(work, effect.Retrying(policy), lock.Aspect())
func (m *Mutex) Aspect() effect.Aspect { return Locked[effect.Void](m) }

// WithLockIfAvailable is like [WithLock] if the lock is free. Otherwise it yields None as
// soon as the store has answered. It may take a free lock before waiters that are queued
// for it. It fails as WithLock does, but never with *[LockNotAcquiredError]. If the work
// ran, the result is Some, even beside an error.
func WithLockIfAvailable[A any](m *Mutex, work effect.Effect[A]) effect.Effect[option.Option[A]] {
	return effect.Scoped(func(s *effect.Scope) effect.Effect[option.Option[A]] {
		return func(ctx context.Context) (option.Option[A], error) {
			lock, err := m.hold(ctx, s, m.try)
			if isNotFree(err) {
				return option.None[A](), nil
			}
			if err != nil {
				return option.None[A](), err
			}
			a, err := runUnder(ctx, lock, work)
			return option.Some(a), err
		}
	})
}

// LockedIfAvailable is [WithLockIfAvailable] for pipelines.
func LockedIfAvailable[A any](m *Mutex) effect.Operator[A, option.Option[A]] {
	return func(work effect.Effect[A]) effect.Effect[option.Option[A]] { return WithLockIfAvailable(m, work) }
}

// Acquire waits for the lock and holds it until the scope closes. It fails as [WithLock] does.
//
// Unlike WithLock, it cancels nothing when the lock is lost: join the keep-alive fiber that
// it yields, or race the work against it. If the lock was lost, the scope fails with the
// *[LockLostError] when it closes.
func (m *Mutex) Acquire(s *effect.Scope) effect.Effect[*KeepAlive] {
	return func(ctx context.Context) (*KeepAlive, error) { return m.hold(ctx, s, m.wait) }
}

// TryAcquire is like [Mutex.Acquire] if the lock is free. Otherwise it yields None as soon
// as the store has answered. It never fails with *[LockNotAcquiredError].
func (m *Mutex) TryAcquire(s *effect.Scope) effect.Effect[option.Option[*KeepAlive]] {
	return func(ctx context.Context) (option.Option[*KeepAlive], error) {
		lock, err := m.hold(ctx, s, m.try)
		if isNotFree(err) {
			return option.None[*KeepAlive](), nil
		}
		if err != nil {
			return option.None[*KeepAlive](), err
		}
		return option.Some(lock), nil
	}
}
