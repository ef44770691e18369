package mutex

import (
	"fmt"
	"time"
)

// LossReason says how a lease was lost.
type LossReason string

// The ways to lose a lease.
const (
	// Expired: the local deadline passed before a refresh succeeded.
	Expired LossReason = "expired"
	// Taken: the store says that another holder has the lock.
	Taken LossReason = "taken"
	// Gone: the store says that we do not have the lock, and names no other holder:
	// it was deleted, flushed or evicted. Or the store says that somebody else has
	// released the lock in our name; then another holder may have it since.
	Gone LossReason = "gone"
)

// LockLostError says that the lock was no longer ours while it was held. What
// the work did up to then may have been done by another holder as well. When it
// is returned, the work has ended and the lock is not held.
type LockLostError struct {
	// Key is the key of the lock.
	Key string
	// Holder is the holder id that had it.
	Holder string
	// Token is the fencing token of the lost grant.
	Token uint64
	// Reason says how the lock was lost.
	Reason LossReason
	// Cause is the last failure of the store, if that is why, or nil. It is not a
	// *MutexBackingError: a handler of those must not take a loss for one.
	Cause error
}

// Tag returns "LockLostError".
func (*LockLostError) Tag() string { return "LockLostError" }

func (e *LockLostError) Error() string {
	msg := fmt.Sprintf("lock %q was lost (%s)", e.Key, e.Reason)
	switch e.Reason {
	case Expired:
		msg += ": its lease ran out before it could be refreshed"
	case Taken:
		msg += ": the store says that another holder has it"
	case Gone:
		msg += ": the store does not know of it any more"
	}
	if e.Cause != nil {
		msg += ": " + e.Cause.Error()
	}
	return msg
}

// Unwrap returns Cause.
func (e *LockLostError) Unwrap() error { return e.Cause }

// LockNotAcquiredError says that the acquire retry policy ended before the
// lock was free. Nothing is held.
type LockNotAcquiredError struct {
	// Key is the key of the lock.
	Key string
	// Waited is the time from the call to the end of the policy.
	Waited time.Duration
}

// Tag returns "LockNotAcquiredError".
func (*LockNotAcquiredError) Tag() string { return "LockNotAcquiredError" }

func (e *LockNotAcquiredError) Error() string {
	return fmt.Sprintf("lock %q was not acquired in the %v that the retry policy allows: another holder had it", e.Key, e.Waited.Round(time.Millisecond))
}

// ReentrantError says that work waits for the lock under which it runs, which would be to
// wait for itself. Nothing has changed: the lock is still held.
type ReentrantError struct {
	// Key is the key of the lock.
	Key string
}

// Tag returns "ReentrantError".
func (*ReentrantError) Tag() string { return "ReentrantError" }

func (e *ReentrantError) Error() string {
	return fmt.Sprintf("lock %q is held by the very work that waits for it, and a mutex is not reentrant: run the inner work without the lock, or use another key", e.Key)
}

// MutexBackingError says that an operation of the store failed, even when it
// was repeated as the policy says. Whether it was applied is unknown: after a
// failed tryAcquire or release the lock may be held until its lease runs out.
// The tryAcquire of a waiter also fails if somebody else has released its claim, by
// its holder id: then nothing is held.
//
//nolint:revive // the name is the one that users of the original match on
type MutexBackingError struct {
	// Operation is tryAcquire, refresh, release, isLocked or getHolder.
	Operation string
	// Key is the key of the lock.
	Key string
	// Cause is the error of the store.
	Cause error
}

// Tag returns "MutexBackingError".
func (*MutexBackingError) Tag() string { return "MutexBackingError" }

func (e *MutexBackingError) Error() string {
	return fmt.Sprintf("%s of lock %q failed: %v", e.Operation, e.Key, e.Cause)
}

// Unwrap returns Cause.
func (e *MutexBackingError) Unwrap() error { return e.Cause }

// ConfigError says what is wrong with the arguments of New.
type ConfigError struct {
	// Field is the name of the argument, or of the field of Config.
	Field string
	// Value is what it was.
	Value any
	// Want says what would be right.
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
