package mutex

import (
	"context"
	"log/slog"
	"time"
)

// Observer is told what happens to locks. It is called by the goroutine to
// which it happens, so it must be quick, must not use the lock that it is told
// about, and must be safe for concurrent use. It must not panic either: a loss is told
// on a goroutine of this package, where that ends the process.
type Observer func(Event)

// Event is one thing that happened. Fields that do not belong to its Kind are zero.
type Event struct {
	// Kind says what happened.
	Kind EventKind
	// Key is the key of the lock.
	Key string
	// Holder is the holder id of the acquisition; BackingFailed has none.
	Holder string
	// Token is the fencing token, once there is one.
	Token uint64
	// Elapsed is how long the acquisition waited (Acquired, NotAcquired), or
	// how long the lock was held (Released, ReleaseFailed, Lost).
	Elapsed time.Duration
	// Err is why (NotAcquired, Polling, ReleaseFailed, BackingFailed), or the
	// *LockLostError (Lost).
	Err error
	// Skipped is how many failed refreshes of this lock were not reported between
	// the event before and this one, because the observer was too slow. Failed, reported
	// and skipped refreshes add up when the lock has ended.
	Skipped int
}

// EventKind names what an [Event] is about.
type EventKind string

// What an observer is told.
const (
	// Acquired: a lock was granted.
	Acquired EventKind = "acquired"
	// Waiting: the lock was not free at the first try, and the caller waits.
	Waiting EventKind = "waiting"
	// Polling: the store cannot wake waiters at present, though it has a queue; Err
	// is why. They ask as their policies say, until it can again.
	Polling EventKind = "polling"
	// NotAcquired: the policy of a waiter ended, its caller left, the store
	// failed, or the lock was not free for one who would not wait.
	NotAcquired EventKind = "not acquired"
	// Released: the store freed the lock.
	Released EventKind = "released"
	// ReleaseFailed: the lock is no longer used, but the store failed to free it:
	// others have it when its lease has run out.
	ReleaseFailed EventKind = "release failed"
	// Lost: the lock was lost while it was held. A lock that was acquired ends
	// with exactly one of Released, ReleaseFailed and Lost.
	Lost EventKind = "lost"
	// BackingFailed: one request to the store failed; it may be repeated.
	BackingFailed EventKind = "backing failed"
)

// LogObserver writes events to a logger: losses as errors, failures of the
// store as warnings, the rest for debugging. It does not log holder ids: who
// knows one can release the lock. log must not be nil.
func LogObserver(log *slog.Logger) Observer {
	return func(e Event) {
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
		log.LogAttrs(context.Background(), level, "lock "+string(e.Kind), attrs...)
	}
}
