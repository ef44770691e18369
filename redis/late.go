package redis

import (
	"context"
	"sync"
	"time"

	"github.com/IBM/fp-go/v2/option"

	"github.com/effectlock/effectlock/backing"
)

// lateAcquires has the acquires whose callers have left, because their contexts
// ended, while the command was still on its way. Such a command may be sent
// after the Release with which the caller cleaned up: go-redis may be setting up a
// connection for it, and does not look at the context again before it writes.
type lateAcquires struct {
	mu    sync.Mutex
	under map[claimant]*late
}

type claimant struct{ key, holder string }

type late struct {
	commands int
	released bool // since: what still lands must be undone
}

// left notes that the caller of an acquire has left.
func (l *lateAcquires) left(who claimant) {
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

// wanted notes whether the claimant acquires, or releases what it may have.
func (l *lateAcquires) wanted(who claimant, wanted bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if at := l.under[who]; at != nil {
		at.released = !wanted
	}
}

// landed ends what left began, and reports whether the command must be undone.
func (l *lateAcquires) landed(who claimant) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := l.under[who]
	if at.commands--; at.commands == 0 {
		delete(l.under, who)
	}
	return at.released
}

// cleanUpTime bounds the release of an acquire that landed late.
const cleanUpTime = 5 * time.Second

// undoLate waits for an acquire whose caller has left, and undoes it if it was
// granted after its claimant had released. It must not do so otherwise: the
// claimant may have asked again, and hold the lock.
func (b *Backing) undoLate(c backing.Claim, replies <-chan reply[option.Option[backing.Grant]]) {
	who := claimant{c.Key, c.Holder}
	b.late.left(who)
	go func() {
		r := <-replies
		if b.late.landed(who) && r.err == nil && option.IsSome(r.value) {
			ctx, cancel := context.WithTimeout(context.Background(), cleanUpTime)
			defer cancel()
			_, _ = b.release(ctx, c.Key, c.Holder) // nobody is left to be told
		}
	}()
}
