package mutex

import (
	"fmt"
	"time"
)

// LossReason says how a lock was lost.
type LossReason string

// The ways to lose a lock.
const (
	// Expired: the local deadline passed before a refresh succeeded.
	Expired LossReason = "expired"
	// Taken: according to the store, another holder has the lock.
	Taken LossReason = "taken"
	// Gone: according to the store, nobody has the lock: its key was deleted, flushed or
	// evicted. Or somebody else has released it under our holder id, and another holder
	// may have had it since.
	Gone LossReason = "gone"
)

// LockLostError is the failure of a holder that has lost its lock. Another holder may have
// worked at the same time. When it is returned, the work has ended and the lock is not held.
type LockLostError struct {
	// Key is the key of the lock.
	Key string
	// Holder is the id of the holder that lost it.
	Holder string
	// Token is the fencing token of the lost grant.
	Token uint64
	// Reason says how the lock was lost.
	Reason LossReason
	// Cause is the last failure of the store, if that was the reason, or nil. It is never
	// a *MutexBackingError: a handler of those must not take a loss for one.
	Cause error
}

// Tag returns "LockLostError".
func (*LockLostError) Tag() string { return "LockLostError" }

func (e *LockLostError) Error() string { return e.text() + lossAdvice }

// lossAdvice is the end of each message about a loss.
const lossAdvice = "; another holder may have worked at the same time: check the result"

func (e *LockLostError) text() string {
	msg := fmt.Sprintf("lock %q was lost (%s)", e.Key, e.Reason)
	switch e.Reason {
	case Expired:
		msg += ": its lease ran out before it could be refreshed"
	case Taken:
		msg += ": another holder has it"
	case Gone:
		msg += ": its key is no longer in the store, or somebody else released it"
	}
	if e.Cause != nil {
		msg += ": " + e.Cause.Error()
	}
	return msg
}

// Unwrap returns Cause.
func (e *LockLostError) Unwrap() error { return e.Cause }

// LockNotAcquiredError is the failure of a waiter whose Config.AcquireTimeout or
// Config.AcquireRetryPolicy ended before the lock was free. The work did not run, and nothing
// is held.
type LockNotAcquiredError struct {
	// Key is the key of the lock.
	Key string
	// Waited is how long the waiter had waited by then.
	Waited time.Duration
}

// Tag returns "LockNotAcquiredError".
func (*LockNotAcquiredError) Tag() string { return "LockNotAcquiredError" }

func (e *LockNotAcquiredError) Error() string {
	return fmt.Sprintf("lock %q was not acquired within %v: another holder has it; try again later, or wait longer", e.Key, e.Waited.Round(time.Millisecond))
}

// ReentrantError is the failure of an attempt to wait for a lock under which the caller
// already runs: it would wait for itself. That lock is still held.
type ReentrantError struct {
	// Key is the key of the lock.
	Key string
}

// Tag returns "ReentrantError".
func (*ReentrantError) Tag() string { return "ReentrantError" }

func (e *ReentrantError) Error() string {
	return fmt.Sprintf("lock %q is held by the work that now waits for it, and a mutex is not reentrant: run the inner work without the lock, or use another key", e.Key)
}

// The operations of a [MutexBackingError].
const (
	OperationTryAcquire = "tryAcquire" // the work did not run
	OperationRefresh    = "refresh"    // for an observer alone: the work runs on until the lock is lost
	OperationRelease    = "release"    // the work has run to its end, or an acquisition has failed and this is joined to it
	OperationIsLocked   = "isLocked"
	OperationGetHolder  = "getHolder"
)

// MutexBackingError is a failure of the store that went on until
// Config.BackingFailureRetryPolicy ended, or that the store marked as permanent. The store
// may have applied the operation all the same: after a failed tryAcquire or release the
// lock may stay until its lease ends.
//
// The tryAcquire of a waiter also fails if somebody else has released the waiter's claim by
// its holder id. Then nothing is held.
//
//nolint:revive // the name is the one that users of the original match on
type MutexBackingError struct {
	// Operation is one of the Operation constants.
	Operation string
	// Key is the key of the lock.
	Key string
	// Cause is the error of the store.
	Cause error
}

// Tag returns "MutexBackingError".
func (*MutexBackingError) Tag() string { return "MutexBackingError" }

func (e *MutexBackingError) Error() string {
	msg := fmt.Sprintf("%s of lock %q failed: %v", e.Operation, e.Key, e.Cause)
	if e.Operation == OperationRelease {
		msg += "; others get the lock when its lease ends"
	}
	return msg
}

// Unwrap returns Cause.
func (e *MutexBackingError) Unwrap() error { return e.Cause }

// ConfigError is the failure of [New] if one of its arguments is wrong. Nothing was sent to
// the store.
type ConfigError struct {
	// Field names the argument, or the field of Config.
	Field string
	// Value is the wrong value.
	Value any
	// Want describes a right one.
	Want string
}

// Tag returns "ConfigError".
func (*ConfigError) Tag() string { return "ConfigError" }

func (e *ConfigError) Error() string {
	value := fmt.Sprintf("%v", e.Value)
	if s, ok := e.Value.(string); ok {
		value = fmt.Sprintf("%q", s)
	}
	return fmt.Sprintf("mutex: %s is %s, want %s", e.Field, value, e.Want)
}
