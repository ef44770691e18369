package mutex

import (
	"context"
	"log/slog"
	"time"
)

// Observer is called with each [Event] of a lock. It must be safe for concurrent use.
//
// The context has the values of the context of the call that acquires or holds the lock,
// such as a trace or the attributes of a logger. It never ends. [Observe] turns a function
// that needs no context into one.
//
// Events that the caller causes are reported on its goroutine: Waiting, Polling, Acquired,
// NotAcquired, Released, ReleaseFailed, and BackingFailed for the caller's own requests. A
// slow observer delays that caller. While the caller is first in line, or releases the
// lock, it also delays the other waiters for that lock.
//
// Background events are reported on a goroutine of the lock: Lost, and BackingFailed for a
// refresh or for the clean-up after a failed acquisition, which may come after NotAcquired.
// Refreshes and the end of the work's context do not wait for an observer, so a slow one
// costs no lease. At most 16 failures of one lock wait to be reported. The others are
// counted in Skipped of the next event.
//
// The events of one lock come one at a time and in order. Acquired is the first. Released,
// ReleaseFailed or Lost is the last, and is never skipped; only a BackingFailed for a request
// to release the lock may come between them, or after Lost. [Mutex.Do] and [WithLock] return,
// and the scope of [Mutex.Acquire] closes, when all events have been reported. The lock is
// released before that, so other holders do not wait for the observer.
//
// An observer may use other locks, and may interrupt and join the [KeepAlive] of the lock.
// It must not acquire the lock of the event, nor wait for the work or the scope to end. It
// must not panic: a panic on a goroutine of the lock ends the process, and any other
// reaches the caller.
type Observer func(context.Context, Event)

// Observe turns a function that needs no context into an [Observer]. It returns nil if f is
// nil.
func Observe(f func(Event)) Observer {
	if f == nil {
		return nil
	}
	return func(_ context.Context, e Event) { f(e) }
}

// Event is an event in the life of a lock. Fields that do not belong to its Kind are zero.
type Event struct {
	// Kind is what happened.
	Kind EventKind
	// Key is the key of the lock.
	Key string
	// Holder is the holder id of the acquisition. It is empty for BackingFailed.
	Holder string
	// Token is the fencing token, or 0 before there is one.
	Token uint64
	// Elapsed is how long the acquisition waited (Acquired, NotAcquired), or
	// how long the lock was held (Released, ReleaseFailed, Lost).
	Elapsed time.Duration
	// Err is the reason (NotAcquired, Polling, ReleaseFailed, BackingFailed), or the
	// *LockLostError (Lost).
	Err error
	// Skipped is the number of BackingFailed events before this one that were not reported,
	// because too many of them waited for the observer.
	Skipped int
}

// EventKind is the kind of an [Event].
type EventKind string

// The kinds of events.
const (
	// Acquired: a lock was granted.
	Acquired EventKind = "acquired"
	// Waiting: the lock was not free at the first try, and the caller waits.
	Waiting EventKind = "waiting"
	// Polling: a store with a queue cannot wake its waiters at present, and Err is the
	// reason. Until it can again, they poll as their policies say.
	Polling EventKind = "polling"
	// NotAcquired: the lock was not acquired. The waiter's policy or its context ended,
	// the store failed, or the lock was not free and the caller did not want to wait.
	NotAcquired EventKind = "not acquired"
	// Released: the lock was released.
	Released EventKind = "released"
	// ReleaseFailed: the work has ended, but the store failed to release the lock. Others
	// get it when its lease ends.
	ReleaseFailed EventKind = "release failed"
	// Lost: the lock was lost while it was held. Each lock that was acquired ends with
	// exactly one of Released, ReleaseFailed and Lost.
	Lost EventKind = "lost"
	// BackingFailed: one request to the store failed; it may be sent again. The failure
	// of a refresh that is under way when the lock is lost or released is not reported.
	BackingFailed EventKind = "backing failed"
)

// LogObserver writes each event to a logger: losses as errors, failures of the store and
// Polling as warnings, the rest at the debug level. Its handler is given the context of the
// event. It does not log holder ids, because they let anybody release the lock. log must not
// be nil.
func LogObserver(log *slog.Logger) Observer {
	return func(ctx context.Context, e Event) {
		level := slog.LevelDebug
		switch e.Kind {
		case Lost:
			level = slog.LevelError
		case BackingFailed, ReleaseFailed, Polling:
			level = slog.LevelWarn
		case Acquired, Waiting, NotAcquired, Released:
		}
		attrs := []slog.Attr{slog.String("key", e.Key)}
		if e.Token != 0 {
			attrs = append(attrs, slog.Uint64("token", e.Token))
		}
		if e.Elapsed != 0 {
			attrs = append(attrs, slog.Duration("elapsed", e.Elapsed))
		}
		if e.Skipped != 0 {
			attrs = append(attrs, slog.Int("skipped", e.Skipped))
		}
		if e.Err != nil {
			attrs = append(attrs, slog.Any("error", e.Err))
		}
		log.LogAttrs(ctx, level, "lock "+string(e.Kind), attrs...)
	}
}
