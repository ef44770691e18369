// Package backing is the contract between a mutex and the store that keeps its locks.
//
//	store := memory.New() // or redis.New(client)
//	lock, err := mutex.New(store, "nightly-report", mutex.Config{})
//	err = lock.Do(ctx, func(ctx context.Context) error { return report(ctx) })
//
// Most programs only choose a store: package memory serves the goroutines of one process,
// package redis serves many processes. To write a store, implement the five operations of
// [Backing]. Everything else a store can do is optional: see [Abilities]. To change one
// operation of a store, use [Funcs].
//
// The sentences with "must" and "may" in this package are the contract. Package backingtest
// quotes them, and checks a store in one line:
//
//	backingtest.Run(t, func(t *testing.T) backing.Backing { return mystore.New() })
package backing

import (
	"context"
	"errors"
	"time"

	"github.com/IBM/fp-go/v2/option"
)

// Claim is a request for the lock of a key.
type Claim struct {
	// Key names the lock. It is never empty, and may contain any bytes.
	Key string
	// Holder identifies one acquisition; equal strings are the same holder. It is never
	// empty, and may contain any bytes.
	Holder string
	// TTL is how long the lease must run, counted by the store from the moment it applies
	// the operation. It is a whole number of milliseconds, at least one.
	TTL time.Duration
	// Attempt distinguishes acquisitions that are made under one Holder. It is empty if the
	// holder id is used for one acquisition only, as a random one is. It is not part of the
	// holder: claims that differ only in Attempt are the same holder.
	//
	// Once an acquisition has been released, no new request is made with its Holder and
	// Attempt. A store that remembers releases uses this to refuse requests that arrive
	// late.
	Attempt string
}

// Grant is what the store returns with a lock.
type Grant struct {
	// Token is the fencing token of the grant. A resource that remembers the highest token
	// it has seen and refuses lower ones is safe from a holder that was paused past the end
	// of its lease. 0 means that the store has no fencing tokens.
	//
	// See Martin Kleppmann, "How to do distributed locking" (2016).
	Token uint64
	// Resumed reports that the holder already had the key, and its lease was extended. It
	// is false if the key was free, or if the holder may have the key only because the
	// store itself repeated the request.
	Resumed bool
}

// Backing is a store of leases: at any moment a key is either free, or held by one holder
// until its lease expires.
//
// Rules that hold for all five operations:
//
//   - Each operation must be atomic, and safe for concurrent use.
//   - Expiry must be judged by the store's own clock, never by the caller's wall clock.
//     Clients whose clocks are hours off must make no difference.
//   - Every operation must treat a key whose lease has expired as free.
//   - Keys and holders must be compared as whole strings, byte for byte.
//   - Keys and holders of any bytes must be accepted, at least up to 1,024 bytes.
//   - If the context has ended before the call, the operation must send nothing to the
//     store, and the error must satisfy errors.Is with the context's error.
//   - An operation must return soon after its context ends. If it has no answer by then,
//     the error must satisfy errors.Is with the context's error. The outcome is then
//     unknown, and the caller settles it with Release.
//   - A request made before that Release must have no lasting effect, even if it reaches
//     the store after the Release: it should be refused for as long as the store remembers
//     the release, and undone soon otherwise.
//   - An error means that the store could not answer. It must never stand for "somebody
//     else has the lock". Mark an error that retrying cannot cure with [Permanent], and the
//     error of a request that the store cannot have received with [NotSent].
//   - None and false are answers of the store: without an answer, an operation must return
//     an error.
//   - An operation may retry internally after a connection fault, but need not: the mutex
//     retries, by the user's policy. If it does retry, these rules apply to all its
//     requests together.
//   - A store may do more than these operations: see [Abilities].
type Backing interface {
	// TryAcquire must give the key to c.Holder if it is free, and must answer None if
	// another holder has it, whatever their TTLs. TryAcquire must not wait for the key to
	// become free.
	//
	// If c.Holder already has the key, TryAcquire must succeed with Resumed set, and the
	// lease then runs c.TTL from now: a client whose reply was lost asks again and must be
	// recognized. The token is the one the holder already has, or a new, higher one; the
	// latest answer counts.
	//
	// Every new grant of a key must carry a higher token than all earlier grants of it,
	// even if the holder is the same, and even across expiry, release, restart of the store
	// and loss of its data, unless the store always answers 0.
	TryAcquire(ctx context.Context, c Claim) (option.Option[Grant], error)

	// If c.Holder has the key, Refresh must make the lease run c.TTL from now, whether that
	// is more or less than what was left, and answer true.
	//
	// If c.Holder does not have the key, Refresh must answer false and change nothing: it
	// must not create the key again, nor touch another holder's lease.
	Refresh(ctx context.Context, c Claim) (bool, error)

	// If holder has the key, Release must free it and answer true.
	//
	// A second Release of the same grant must answer true again within [ReleaseMemory] of
	// the first: a client whose reply was lost asks again. It must not disturb a holder
	// that got the key in between. After that time, or once the answer to the first has
	// reached the caller, it may answer true or false.
	//
	// If holder's lease has expired, or if it never had one, Release must answer false and
	// leave the key alone, whoever has it now.
	Release(ctx context.Context, key, holder string) (bool, error)

	// IsLocked must report whether any holder has the key.
	IsLocked(ctx context.Context, key string) (bool, error)

	// GetHolder must return the holder of the key, or None if the key is free.
	GetHolder(ctx context.Context, key string) (option.Option[string], error)
}

// ReleaseMemory is the minimum time for which a store must remember a release: a little
// more than the 5 s for which the mutex tries to release a lock.
const ReleaseMemory = 6 * time.Second

// Permanent marks an error that retrying cannot cure: a password that stays wrong, a key of
// another type, a server that is too old. An acquire, a release or a query then fails at
// once instead of following the mutex's retry policy; a lease that is held is still
// refreshed until it runs out. Permanent(nil) is nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanentError{err}
}

// IsPermanent reports whether err, or an error it wraps, was marked by [Permanent].
func IsPermanent(err error) bool {
	var p *permanentError
	return errors.As(err, &p)
}

type permanentError struct{ err error }

func (e *permanentError) Error() string { return e.err.Error() }
func (e *permanentError) Unwrap() error { return e.err }

// NotSent marks the error of a request that the store has not received and never will: the
// connection was refused, no connection of the pool was free, the context ended while the
// request was queued. Such a request has no effect, so the mutex has nothing to undo. An
// error must not be marked if the store may have received any request of the operation;
// when in doubt, leave it unmarked, which costs no more than a needless Release.
// NotSent(nil) is nil.
func NotSent(err error) error {
	if err == nil {
		return nil
	}
	return &notSentError{err}
}

// IsNotSent reports whether err, or an error it wraps, was marked by [NotSent]. It does not
// look into an error that wraps several: that one request was not sent says nothing about
// another.
func IsNotSent(err error) bool {
	for ; err != nil; err = errors.Unwrap(err) {
		if _, ok := err.(*notSentError); ok { //nolint:errorlint // see above
			return true
		}
	}
	return false
}

type notSentError struct{ err error }

func (e *notSentError) Error() string { return e.err.Error() }
func (e *notSentError) Unwrap() error { return e.err }
