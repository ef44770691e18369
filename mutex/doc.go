// Package mutex provides a distributed lock: of all the processes that share a store, only
// one at a time runs the work.
//
//	client := goredis.NewClient(&goredis.Options{Addr: "localhost:6379"})
//	lock, err := mutex.New(redis.New(client), "nightly-report", mutex.Config{})
//	err = lock.Do(ctx, func(ctx context.Context) error { return sendReport(ctx) })
//
// [Mutex.Do] waits for the lock, keeps its lease alive, runs the work and releases the lock.
// [Mutex.TryDo] does so only if the lock is free. [WithLock] and [WithLockIfAvailable] are
// the same for effects, which yield a value; [Locked] and [Mutex.Aspect] are the same for
// pipelines. [Mutex.Acquire] and [Mutex.TryAcquire] hold the lock until a scope closes.
//
// An effect does nothing until it is called with a context. The statement
//
//	mutex.WithLock(lock, job) // wrong: nothing runs
//
// compiles and does nothing, because (ctx) is missing at the end. Do has no such trap.
//
// # Guarantees
//
//  1. Do and WithLock succeed only if the lease was valid for as long as the work ran. The
//     local deadline of the lease had not passed when the work ended, and at the release
//     the store did not report that the lock had been lost, or released by somebody else.
//     Otherwise they fail with a *[LockLostError].
//  2. The context of the work is cancelled no later than that deadline, even if the store
//     does not answer at all. Its cause is the LockLostError. Do and WithLock then wait for
//     the work to return.
//  3. However the work ends (value, error, panic, cancellation, runtime.Goexit), the
//     keep-alive ends first. Then the lock is released, under a new context that lasts at
//     most 5 s.
//  4. A failed acquisition leaves no lock behind, as long as the store can be reached. If a
//     reply was lost, the holder id shows whether the lock was granted, and it is released.
//     The same holds with an effect.Timeout around it: a caller that times out holds
//     nothing. If the process exits before that release, the lock stays for one lease: see
//     [AwaitCleanup].
//  5. The waiters of one process are served in the order in which they came. After a crash
//     of the holder, the first of them waits for the rest of its lease and at most one
//     retry interval more. With a store that queues waiters, it waits for as long as the
//     store takes to notice: on Redis 2 s, and 2 s more for each stopped or disconnected
//     process that stands before it. Such a store also serves the processes in order; but a
//     process that has the lock hands it to its own waiters up to eight times in a row.
//     With other stores, the process that polls first after a release gets the lock.
//  6. Each grant of a key has a higher fencing token than all grants before it.
//  7. A failure of the store is a *[MutexBackingError]. An error that stands for the end of
//     the caller's context satisfies errors.Is with context.Canceled or
//     context.DeadlineExceeded.
//  8. A waiter keeps its caller's deadline, and its Config.AcquireTimeout, within 0.2 s,
//     whatever the store does, as long as the operations of the store return soon after
//     their context ends. A lock that may have been acquired meanwhile is released in the
//     background, for at most 5 s.
//
// # Limits
//
// The holder counts its lease by the monotonic clock, from before it sent the request. So it
// gives up before the store does. A message from the store is never a grant: a waiter that
// is woken asks the store, and only the answer counts.
//
// However, no lock with a lease can stop work that ignores its context, or a process that
// is paused between its last look at the context and its next write. Where that matters,
// send the fencing token of [FromContext] with each write, and let the resource refuse any
// token lower than the highest it has seen. Each store documents what happens when it fails
// over.
//
// # Errors
//
// [Fold], [CatchErrors] and [KindOf] distinguish the errors of this package. If both the
// work and the release fail, the error joins both: errors.As finds each, and
// effect.Failures lists them.
//
// If Redis, its user or the client is set up in a way that rules out locks, the
// *[MutexBackingError] holds a *redis.SetupError, whose Advice says what to do.
// docs/servers.md in the repository lists these errors, and the servers on which locks
// work.
//
// # Shutting down
//
// Cancel the context of the work, and wait for Do or WithLock to return: that releases the
// lock. Then run [AwaitCleanup], and close the store: a redis.Backing has a Close method.
package mutex
