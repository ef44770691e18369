// Package mutex is a distributed lock for effects: it runs work while one
// holder among all the processes that share a store has the lock of a key.
//
// [WithLock] acquires the lock, keeps its lease alive, runs the work, and
// releases the lock. [WithLockIfAvailable] does so only if the lock is free.
// [Mutex.Acquire] and [Mutex.TryAcquire] hold the lock until a scope closes.
//
// # What is promised
//
//  1. WithLock succeeds only if the lease was ours for as long as the work ran:
//     its local deadline had not passed when the work ended, and the store did
//     not say at the release that the lock was no longer ours, or that somebody
//     else had released it in our name. Otherwise it fails with a *[LockLostError].
//  2. The work's context is cancelled no later than that deadline, even if the
//     store answers nothing at all; its cause is the LockLostError. WithLock
//     then waits for the work to return.
//  3. Whatever way the work ends (value, error, panic, cancellation,
//     runtime.Goexit), the keep-alive is stopped and joined first; then the lock
//     is released, under a fresh bounded context.
//  4. An acquire that ends without the lock leaves none behind, as far as the
//     store can be reached: what is in doubt after a lost reply is recognized
//     by its holder id, or released. The same is true with an effect.Timeout
//     around it: a caller that gets a timeout holds nothing. If the process exits
//     before the release, the lock stays for one lease: see [AwaitCleanup].
//  5. Waiters of one process are served first come, first served. The first in
//     line waits for a crashed holder no longer than its lease and a bound: one
//     retry interval, or what a store that queues needs to notice (on Redis 2 s,
//     and 2 s more for each process before it that is stopped or cut off). Such a
//     store serves the processes in the order in which they came, too; one that
//     has the lock hands it on at most eight times in a row before that. With
//     other stores, whichever process polls first after a release gets it.
//  6. Fencing tokens strictly increase with every grant of a key.
//  7. Errors of the store are *[MutexBackingError]; the caller's cancellation
//     always satisfies errors.Is with context.Canceled or
//     context.DeadlineExceeded.
//  8. While waiting for a lock, a caller's deadline is kept, within 0.2 s, whatever
//     the store does, as long as its operations return soon after their context ends.
//     What a request may have acquired is released in the background, for at most
//     5 s. Where no request can have reached the store, there is nothing to release.
//
// # What is not
//
// The local deadline is counted by the monotonic clock from before the request
// was sent, so the holder gives up before the store does. A message of the store
// is never a grant: a waiter that is woken asks, and only the answer is one. But
// no lock with a lease can stop work that does not look at its context, or a
// process that is paused between that look and its next write. Where that
// matters, send the fencing token of [FromContext] with each write, and let the
// resource refuse tokens lower than the highest it has seen. What a store promises
// when it fails over is described with each backing.
//
// # When no lock can be had
//
// An acquire on a store that fails returns a *[MutexBackingError]. If that is because of
// how Redis, its user or the client is set up, the error holds a *redis.SetupError, whose
// Advice says what to do. docs/servers.md in the repository lists such errors, and the
// servers and proxies on which locks work.
//
// # Errors that are joined
//
// If the work fails and the release fails as well, the error joins both. errors.As finds
// each, and effect.Failures lists them.
//
// # Shutting down
//
// Cancel the work's context and wait for [WithLock] to return, which releases the lock.
// Then run the effect of [AwaitCleanup], and close the store: redis.Backing has a method Close.
package mutex
