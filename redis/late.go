package redis

import (
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
	released bool // since: what is still applied must be undone
	silent   bool // one of them will not be answered
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
func (l *lateRequests) fellSilent(who claimant) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := l.under[who]
	first := !at.silent
	at.silent = true
	return first
}

// isReleased reports whether what the claimant asked for must be undone.
func (l *lateRequests) isReleased(who claimant) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.under[who].released
}

// lost ends what left began, and fellSilent after it: the network will not deliver
// the command any more.
func (l *lateRequests) lost(who claimant) {
	l.mu.Lock()
	l.under[who].silent = false
	l.mu.Unlock()
	l.landed(who)
}

const (
	// cleanUpTime bounds the release of a request that landed late.
	cleanUpTime = 5 * time.Second
	// firstUndo is how long after its failure a request that nobody will answer is
	// undone, in case that it was applied by then; it is done again after twice that,
	// four times, and so on, for as long as the network may still deliver it.
	firstUndo = time.Second / 2
	// lastUndo is the longest of these pauses.
	lastUndo = 32 * time.Second
)

// left begins when the sender of a request leaves, and returns what to do when it
// lands: undo it, if it was granted or queued after its claimant had released. It
// must not be undone otherwise, for the claimant may have asked again, and hold
// the lock.
func (b *Backing) left(who claimant, member string) func(reply string, err error) {
	b.late.left(who)
	return func(reply string, err error) {
		switch {
		case mayBeApplied(err) && b.late.fellSilent(who):
			b.undoLater(who, member, firstUndo)
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
// as long as the claimant does not want it.
func (b *Backing) undoLater(who claimant, member string, in time.Duration) {
	time.AfterFunc(in, func() {
		closed := b.late.isReleased(who) && errors.Is(b.undo(who, member), goredis.ErrClosed)
		if closed || in >= lastUndo {
			b.late.lost(who)
			return
		}
		b.undoLater(who, member, 2*in)
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
