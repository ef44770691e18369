package redis

import (
	"strings"
	"sync"
	"time"

	"github.com/effectlock/effectlock/backing"
)

// waiters are those who wait for a lock, or are in its queue for all that is
// known. They are noted before the server is asked to queue them, so that what it
// tells them is not missed, and until they have a grant or have left.
type waiters struct {
	mu  sync.Mutex
	all map[claimant]*waiter
}

type waiter struct {
	backing.Waiter
	member string      // how it stands in the queue
	gone   *time.Timer // runs since it left
	asking int         // requests under way
	sent   time.Time   // the last request that was answered, or the first if none was
	clock  int64       // the server's, in microseconds, at that answer; 0: none yet
	early  *message    // came before an answer
}

// waits notes a claimant that is to be queued as member, unless it is in the queue
// already, and returns as what. Whoever calls it must call answered.
func (b *Backing) waits(who claimant, w backing.Waiter, member string) string {
	b.waiters.mu.Lock()
	defer b.waiters.mu.Unlock()
	at := b.waiters.all[who]
	switch {
	case at == nil:
		at = &waiter{member: member}
		if b.waiters.all == nil {
			b.waiters.all = map[claimant]*waiter{}
		}
		b.waiters.all[who] = at
		b.hub.want(+1)
	case at.gone != nil: // and has come back
		at.gone.Stop()
		at.gone = nil
		b.hub.want(+1)
	}
	at.Waiter = w
	at.asking++
	return at.member
}

// member is how the claimant stands in the queue, for all that is known, or "".
func (b *Backing) member(who claimant) string {
	b.waiters.mu.Lock()
	defer b.waiters.mu.Unlock()
	if at := b.waiters.all[who]; at != nil {
		return at.member
	}
	return ""
}

// leaves notes that the claimant waits no more, and returns as what it stands in
// the queue, or "". It is remembered until the server has been told, but no longer
// than a queue lives that nobody asks for.
func (b *Backing) leaves(who claimant) string {
	b.waiters.mu.Lock()
	defer b.waiters.mu.Unlock()
	at := b.waiters.all[who]
	if at == nil {
		return ""
	}
	if at.gone == nil {
		b.hub.want(-1)
		at.gone = time.AfterFunc(queueLife, func() { b.forgetGone(who) })
	}
	return at.member
}

// forget is for a claimant that is in no queue any more.
func (b *Backing) forget(who claimant) { b.forgetIf(who, func(*waiter) bool { return true }) }

// forgetGone is the same for one that has left, unless it has come back.
func (b *Backing) forgetGone(who claimant) {
	b.forgetIf(who, func(at *waiter) bool { return at.gone != nil })
}

func (b *Backing) forgetIf(who claimant, sure func(*waiter) bool) {
	b.waiters.mu.Lock()
	defer b.waiters.mu.Unlock()
	if at := b.waiters.all[who]; at != nil && sure(at) {
		b.drop(who, at)
	}
}

func (b *Backing) drop(who claimant, at *waiter) {
	delete(b.waiters.all, who)
	if at.gone != nil {
		at.gone.Stop()
		return
	}
	b.hub.want(-1)
}

// answered notes how a request that waits announced was answered: with the
// server's clock if the claimant is in the queue, with 0 if that is unknown.
func (b *Backing) answered(who claimant, sent time.Time, clock int64) {
	b.waiters.mu.Lock()
	at := b.waiters.all[who]
	if at == nil {
		b.waiters.mu.Unlock()
		return
	}
	at.asking--
	if clock != 0 || at.sent.IsZero() {
		at.sent, at.clock = sent, clock
	}
	early := at.early
	at.early = nil
	b.waiters.mu.Unlock()
	if early != nil {
		b.hear(*early)
	}
}

// heard takes a message, on the goroutine that reads them all.
func (b *Backing) heard(payload string) {
	if m, ok := parseMessage(payload); ok {
		b.hear(m)
	}
}

// hear tells a claimant that it has been given the lock, and ends its wait. A
// message that comes before the first answer is kept until then: the two
// together tell when the lease began.
//
// A message that is older than the last answer is of no use: by that answer the
// claimant had lost the lock again. If it seems older because the server's clock
// went back, the claimant finds out when it asks again.
func (b *Backing) hear(m message) {
	key, ours := strings.CutPrefix(m.lock, b.prefix)
	if !ours {
		return
	}
	who := claimant{key, m.holder}
	b.waiters.mu.Lock()
	at := b.waiters.all[who]
	switch {
	case at == nil || m.clock < at.clock:
		b.waiters.mu.Unlock()
		return
	case at.clock == 0 && at.asking > 0:
		at.early = &m
		b.waiters.mu.Unlock()
		return
	}
	b.drop(who, at)
	b.waiters.mu.Unlock()
	at.Granted(m.handed(at.sent, at.clock, at.TTL))
}

// missed is called when messages may have been lost.
func (b *Backing) missed() {
	b.waiters.mu.Lock()
	var retries []func()
	for _, at := range b.waiters.all {
		if at.gone == nil {
			retries = append(retries, at.Retry)
		}
	}
	b.waiters.mu.Unlock()
	for _, retry := range retries {
		retry()
	}
}
