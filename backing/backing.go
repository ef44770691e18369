// Package backing is the seam between the mutex and the store that keeps its locks.
//
// A store that can answer the five operations of [Backing] can carry the
// mutex; see [Abilities] for what it may do besides. Package memory is the embedded one, package redis the one for several
// processes; package backingtest checks any other in one line. The words
// "must" and "may" in this package are the contract: backingtest quotes them.
package backing

import (
	"context"
	"errors"
	"time"

	"github.com/IBM/fp-go/v2/option"
)

// Claim says who wants the lock of which key for how long.
type Claim struct {
	// Key names the lock. It is never empty, and may hold any bytes.
	Key string
	// Holder identifies one acquisition; equal strings are the same holder.
	// It is never empty, and may hold any bytes.
	Holder string
	// TTL is how long the lease must run, counted by the store from the moment
	// that it applies the operation. It is a whole number of milliseconds, at
	// least one.
	TTL time.Duration
	// Attempt tells apart the acquisitions that are made under one Holder. It is empty
	// if the holder id is used for one acquisition only, as a random one is. It is
	// not part of the holder: claims that differ in it alone are the same holder.
	//
	// Once an acquisition has been released, no new request is made with its Holder and
	// Attempt. A store that remembers releases uses this to refuse requests that
	// arrive late.
	Attempt string
}

// Grant is what the store gives with a lock.
type Grant struct {
	// Token is the fencing token of the grant. A resource that remembers the
	// highest token it has seen and refuses lower ones is safe from a holder
	// that was paused past its lease. 0 means that this backing does not fence.
	//
	// See Martin Kleppmann, "How to do distributed locking" (2016).
	Token uint64
	// Resumed reports that the holder had the key already, and the lease was
	// extended. It is false for a key that was free, and where the store has repeated the
	// request by itself, and the holder may have the key from that.
	Resumed bool
}

// Backing is a store of leases: at any moment a key is free, or one holder has
// it until its lease expires.
//
// Rules that hold for all five operations:
//
//   - Each operation must be atomic, and safe for concurrent use.
//   - Expiry must be judged by the store's own clock, never by the caller's
//     wall clock. Clients whose clocks are hours off must not matter.
//   - A key whose lease has expired must be as good as free for every operation.
//   - Holders must be compared as whole strings, byte for byte, and keys as well.
//   - Keys and holders of any bytes must be accepted, at least up to 1,024 bytes.
//   - If the context has ended before the call, nothing must be sent to the
//     store, and the error must satisfy errors.Is with the context's error.
//   - An operation must return soon after its context ends, and if it has no
//     answer by then, the error must satisfy errors.Is with the context's error.
//     Its outcome is then unknown; the caller settles it with Release.
//   - What an operation asked for before that Release must come to nothing, also if
//     the request reaches the store after the Release: it should be refused, for as
//     long as the store remembers the release, and otherwise undone soon.
//   - An error means that the store could not answer. It must never stand for
//     "somebody else has the lock". Wrap what cannot heal with [Permanent], and
//     what the store cannot have received with [NotSent].
//   - None and false are answers: without one of the store, an operation must
//     return an error.
//   - An operation may retry internally after a fault of the connection, but need
//     not: retrying is the mutex's work, and its policy the user's. One that does
//     answers for all of its requests as for one.
//   - A store may do more than these operations: see [Abilities].
type Backing interface {
	// TryAcquire must give the key to c.Holder if it is free, and must answer
	// None if another holder has it, whatever the TTLs of the two.
	// TryAcquire must not wait for the key to become free.
	//
	// If c.Holder has the key already, TryAcquire must succeed, with Resumed set, and
	// the lease runs c.TTL from now: a client whose reply was lost asks again and
	// must be recognized. The token is the one that the holder has, or a new,
	// higher one; the last answer counts.
	//
	// Every new grant of a key must carry a higher token than all grants of it
	// before, also when the holder is the same, and also across expiry, release,
	// and restart or data loss of the store, unless this backing answers 0 always.
	TryAcquire(ctx context.Context, c Claim) (option.Option[Grant], error)

	// Refresh must make the lease run c.TTL from now, be that more or less than
	// what was left, and answer true, if c.Holder has the key.
	//
	// If c.Holder does not have the key, Refresh must answer false and change
	// nothing: it must not create the key again, nor touch another holder's lease.
	Refresh(ctx context.Context, c Claim) (bool, error)

	// Release must free the key and answer true, if holder has it.
	//
	// A second Release of the same grant must answer true again within [ReleaseMemory]
	// of the first: a client whose reply was lost asks again. It must not disturb
	// a holder that came in between. Later it may answer either, and also if an answer to
	// the first has reached the caller.
	//
	// If holder's lease has expired, or if it never had one, Release must answer
	// false and leave the key alone, whoever has it now.
	Release(ctx context.Context, key, holder string) (bool, error)

	// IsLocked must report whether any holder has the key.
	IsLocked(ctx context.Context, key string) (bool, error)

	// GetHolder must report who has the key, None if nobody.
	GetHolder(ctx context.Context, key string) (option.Option[string], error)
}

// ReleaseMemory is how long a store must remember a release at least: a little more
// than the 5 s that the mutex spends on trying to release a lock.
const ReleaseMemory = 6 * time.Second

// Permanent marks an error of the store that trying again cannot cure: a password that
// stays wrong, a key of another type, a server that is too old. An acquire,
// a release or a question then fails at once instead of following the retry
// policy of the mutex; a held lease is refreshed all the same until it runs out. Permanent(nil) is nil.
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

// NotSent marks the error of a request that the store has not received and will not: the
// connection was refused, no connection of the pool was free, the context ended while the
// request was queued. The request then has no effect, and the mutex has nothing to undo. An
// error must not be marked if any request of the operation may have been received; in
// doubt, an unmarked error costs no more than a needless Release. NotSent(nil) is nil.
func NotSent(err error) error {
	if err == nil {
		return nil
	}
	return &notSentError{err}
}

// IsNotSent reports whether err, or an error that it wraps, was marked by [NotSent]. It
// does not look into an error that wraps several: one request that was not sent says
// nothing about another.
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
