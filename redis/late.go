package redis

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// lateRequests has the requests for a lock that may be applied though nobody waits
// for their answers any more. The sender has left, because its context ended, while
// the command was still on its way: go-redis may be setting up a connection for it,
// and does not look at the context again before it writes. Or the connection broke
// or fell silent, and what was written is still under way in the network. Such a
// command may be applied after the Release with which the sender cleaned up.
type lateRequests struct {
	mu    sync.Mutex
	under map[claimant]*late
}

type claimant struct{ key, holder string }

type late struct {
	commands int
	released bool      // since: what is still applied must be undone
	silent   time.Time // when one of them last failed that will not be answered; zero if none has
	member   string    // how it may stand in the queue
}

// left notes that the sender of a request no longer waits for its answer.
func (l *lateRequests) left(who claimant) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.under[who] == nil {
		if l.under == nil {
			l.under = map[claimant]*late{}
		}
		l.under[who] = &late{}
	}
	l.under[who].commands++
}

// wanted notes whether the claimant wants the lock, or releases what it may have.
func (l *lateRequests) wanted(who claimant, wanted bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if at := l.under[who]; at != nil {
		at.released = !wanted
	}
}

// landed ends what left began, and reports whether the command must be undone.
func (l *lateRequests) landed(who claimant) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := l.under[who]
	if at.commands--; at.commands == 0 {
		delete(l.under, who)
	}
	return at.released
}

// fellSilent notes that a command which left began will not be answered. It reports
// whether it is the first of its claimant.
func (l *lateRequests) fellSilent(who claimant, member string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := l.under[who]
	first := at.silent.IsZero()
	at.silent, at.member = time.Now(), cmp.Or(member, at.member)
	return first
}

// known is what is known of a claimant of whom a command fell silent.
func (l *lateRequests) known(who claimant) late {
	l.mu.Lock()
	defer l.mu.Unlock()
	return *l.under[who]
}

// isLost ends what left began, and fellSilent after it, if the network will not deliver
// the command any more, or the client is closed.
func (l *lateRequests) isLost(who claimant, closed bool) bool {
	l.mu.Lock()
	at := l.under[who]
	lost := closed || time.Since(at.silent) >= undoFor
	if lost {
		at.silent = time.Time{}
	}
	l.mu.Unlock()
	if lost {
		l.landed(who)
	}
	return lost
}

const (
	// cleanUpTime bounds the release of a request that landed late.
	cleanUpTime = 5 * time.Second
	// firstUndo is how long after its failure a request that nobody will answer is
	// undone, in case that it was applied by then; it is done again after twice that,
	// four times, and so on.
	firstUndo = time.Second / 2
	// undoFor is how long after its failure the network may still deliver it.
	undoFor = time.Minute
)

// left begins when the sender of a request leaves, and returns what to do when it
// lands: undo it, if it was granted or queued after its claimant had released. It
// must not be undone otherwise, for the claimant may have asked again, and hold
// the lock.
func (b *Backing) left(who claimant, member string) func(reply string, err error) {
	b.late.left(who)
	return func(reply string, err error) {
		switch {
		case mayBeApplied(err) && b.late.fellSilent(who, member):
			b.late.undoLater(who, firstUndo, b.undo)
		case b.late.landed(who) && err == nil && reply != "" && reply != unqueued:
			go func() { _ = b.undo(who, member) }()
		}
	}
}

// unanswered is told how a request for a lock has failed, if it has, whose sender
// has stayed.
func (b *Backing) unanswered(who claimant, member string, err error) {
	if mayBeApplied(err) {
		b.left(who, member)("", err)
	}
}

// undoLater undoes what the claimant asked for whenever it may have been applied,
// as long as the claimant does not want it. One chain of pauses serves all of its
// requests, and begins anew after each that has failed.
func (l *lateRequests) undoLater(who claimant, in time.Duration, undo func(who claimant, member string) error) {
	began := time.Now()
	time.AfterFunc(in, func() {
		at := l.known(who)
		closed := at.released && errors.Is(undo(who, at.member), goredis.ErrClosed)
		switch {
		case l.isLost(who, closed):
		case l.known(who).silent.After(began):
			l.undoLater(who, firstUndo, undo)
		default:
			l.undoLater(who, 2*in, undo)
		}
	})
}

// undo releases what nobody wants. Nobody is left to be told if that fails.
func (b *Backing) undo(who claimant, member string) error {
	ctx, cancel := context.WithTimeout(context.Background(), cleanUpTime)
	defer cancel()
	_, err := b.release(ctx, who, member)
	return err
}

// mayBeApplied reports whether a request that failed with err may still reach the
// server.
func mayBeApplied(err error) bool {
	_, ok := errors.AsType[*silence](err)
	return ok
}
