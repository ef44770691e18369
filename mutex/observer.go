package mutex

import (
	"context"
	"log/slog"
	"time"
)

// Observer is called with what happens to locks. It must be safe for concurrent use.
//
// What a caller does is reported on the caller's goroutine: Waiting, Polling, Acquired,
// NotAcquired, Released, ReleaseFailed, and BackingFailed of the caller's requests. A
// slow observer delays that caller. While the caller is first in line, or releases the
// lock, it also delays the other waiters for that lock.
//
// What happens in the background is reported on a goroutine of the lock: Lost, and
// BackingFailed of a refresh, or of the clean-up after an acquisition that failed, which may
// come after NotAcquired. Neither a refresh nor the end of the work's context waits
// for an observer, so a slow one costs no lease. At most 16 failures of one lock wait to be
// reported. Further ones are not reported, but counted by the Skipped of the next event.
//
// The events of one lock come one at a time and in order. Acquired is the first; Released,
// ReleaseFailed or Lost is the last, and is never skipped. Only a BackingFailed of a request
// to release the lock may come between them, or after Lost. [WithLock] returns, and the
// scope of [Mutex.Acquire] closes, when all events of the lock have been reported. The
// lock is released before that, so other holders do not wait for the observer.
//
// An observer may use other locks, and may interrupt and join the [KeepAlive] of the
// lock. It must not acquire the lock that the event is about, nor wait for the work or
// the scope to end. It must not panic: on a goroutine of the lock a panic ends the
// process, elsewhere the caller panics.
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
	// Skipped is how many events of kind BackingFailed were not reported between this
	// event of the lock and the one before, because too many waited for the observer.
	Skipped int
}

// EventKind names what an [Event] is about.
type EventKind string

// The kinds of events.
const (
	// Acquired: a lock was granted.
	Acquired EventKind = "acquired"
	// Waiting: the lock was not free at the first try, and the caller waits.
	Waiting EventKind = "waiting"
	// Polling: the store cannot wake waiters at present, though it has a queue; Err
	// is why. They ask as their policies say, until it can again.
	Polling EventKind = "polling"
	// NotAcquired: the policy of a waiter ended, its caller left, the store
	// failed, or the lock was not free and the caller would not wait.
	NotAcquired EventKind = "not acquired"
	// Released: the store freed the lock.
	Released EventKind = "released"
	// ReleaseFailed: the lock is no longer used, but the store failed to free it:
	// others have it when its lease has run out.
	ReleaseFailed EventKind = "release failed"
	// Lost: the lock was lost while it was held. A lock that was acquired ends
	// with exactly one of Released, ReleaseFailed and Lost.
	Lost EventKind = "lost"
	// BackingFailed: one request to the store failed; it may be repeated. A refresh that
	// is under way when the lock is lost or released is not reported.
	BackingFailed EventKind = "backing failed"
)

// LogObserver writes events to a logger: losses as errors, failures of the
// store as warnings, the rest for debugging. It does not log holder ids, because
// anybody that knows one can release the lock. log must not be nil.
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
