package redis

import (
	"context"
	"sync"
	"time"
)

// lateRequests has the requests for a lock whose senders have left, because their
// contexts ended, while the command was still on its way. Such a command may be
// sent after the Release with which the sender cleaned up: go-redis may be setting
// up a connection for it, and does not look at the context again before it writes.
type lateRequests struct {
	mu    sync.Mutex
	under map[claimant]*late
}

type claimant struct{ key, holder string }

type late struct {
	commands int
	released bool // since: what still lands must be undone
}

// left notes that the sender of a request has left.
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

// cleanUpTime bounds the release of a request that landed late.
const cleanUpTime = 5 * time.Second

// left begins when the sender of a request leaves, and returns what to do when it
// lands: undo it, if it was granted or queued after its claimant had released. It
// must not be undone otherwise, for the claimant may have asked again, and hold
// the lock.
func (b *Backing) left(who claimant, member string) func(reply string, err error) {
	b.late.left(who)
	return func(reply string, err error) {
		if !b.late.landed(who) || err != nil || reply == "" || reply == unqueued {
			return
		}
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), cleanUpTime)
			defer cancel()
			_, _ = b.release(ctx, who, member) // nobody is left to be told
		}()
	}
}
