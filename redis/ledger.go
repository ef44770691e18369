package redis

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/effectlock/effectlock/backing"
)

// A ledger has an entry for each claimant of which the server may know more than it has
// answered: one that waits in a queue, or one whose request may still be applied.
type ledger struct {
	mu      sync.Mutex
	entries map[claimant]*entry
	waiting func(delta int) // counts the claimants that can be woken

	ctx     context.Context // of the releases that are repeated; ends with close
	cancel  context.CancelFunc
	closed  bool
	undoing sync.WaitGroup // counts the goroutines that release something
}

// newLedger returns a ledger. It calls waiting with each change of the number of claimants
// that can be woken.
func newLedger(waiting func(delta int)) *ledger {
	l := &ledger{entries: map[claimant]*entry{}, waiting: waiting}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l
}

// close ends the releases that are repeated, and waits for them. None begins afterwards.
func (l *ledger) close() {
	l.mu.Lock()
	l.closed = true
	l.cancel()
	for _, e := range l.entries {
		e.stopUndo()
	}
	l.mu.Unlock()
	l.undoing.Wait()
}

type claimant struct{ key, holder string }

type entry struct {
	wake    func() // nil if it does not wait in a queue
	member  string // how it may stand in the queue, or ""
	inDoubt bool   // a request has no reply, and may be applied at any time
	undo    *time.Timer
}

func (l *ledger) enter(who claimant) *entry {
	e := l.entries[who]
	if e == nil {
		e = &entry{}
		l.entries[who] = e
	}
	return e
}

// asks notes that a claimant is about to ask for the lock, and returns how it may stand in
// the queue, or "". What was about to be undone no longer is: the claimant has come back under
// the same holder id.
func (l *ledger) asks(who claimant) (member string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[who]
	if e == nil {
		return ""
	}
	e.stopUndo()
	return e.member
}

func (e *entry) stopUndo() {
	if e.undo != nil {
		e.undo.Stop()
		e.undo = nil
	}
}

// queues notes that a claimant is about to be queued as member, and reports whether it was
// waiting already. It is noted before the request is sent, so that a message that overtakes
// the reply finds it.
func (l *ledger) queues(who claimant, member string, wake func()) (already bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.enter(who)
	already = e.wake != nil
	if !already {
		l.waiting(+1)
	}
	e.member, e.wake = member, wake
	return already
}

// passed notes what a pass has done to the claimant that was to have the lock. It may
// have left while the pass was under way, and have released before the server queued it: then
// it is in the queue, though it does not wait, and its next release takes it out. A claimant
// that did not wait before, and is in no queue by this pass, does not wait by it either.
func (l *ledger) passed(who claimant, member string, inQueue, waited bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if inQueue {
		l.enter(who).member = member
	} else if e := l.entries[who]; e != nil && !waited {
		l.stopWaiting(e)
		if e.member == "" && !e.inDoubt {
			delete(l.entries, who)
		}
	}
}

// unsent notes that the request which queues a claimant was not sent. The claimant did not
// wait before, and its place in the queue is what it was before. Its caller need not
// release it, so the entry must not depend on that.
func (l *ledger) unsent(who claimant, before string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[who]
	if e == nil {
		return
	}
	l.stopWaiting(e)
	if e.member = before; before == "" && !e.inDoubt {
		delete(l.entries, who)
	}
}

// settled notes how a request for the lock was answered. A claimant that is not in a
// queue needs no entry, unless it is in doubt.
func (l *ledger) settled(who claimant, inQueue, inDoubt bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[who]
	if e == nil {
		if !inDoubt {
			return
		}
		e = l.enter(who)
	}
	if inDoubt {
		l.doubt(who, e)
	}
	if inQueue {
		return
	}
	l.stopWaiting(e)
	if e.member = ""; !e.inDoubt {
		delete(l.entries, who)
	}
}

// failed notes that a request for the lock was not answered.
func (l *ledger) failed(who claimant, mayBeApplied bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.entries[who]; mayBeApplied {
		l.doubt(who, l.enter(who))
	} else if e != nil && e.wake == nil && !e.inDoubt {
		delete(l.entries, who)
	}
}

// doubt notes that a request may still be applied. No release may follow, for one whose last
// request was answered has nothing to release. The caller has locked mu.
func (l *ledger) doubt(who claimant, e *entry) {
	e.inDoubt = true
	time.AfterFunc(undoFor, func() { l.forget(who, e) })
}

// forget ends the entry of a claimant that neither waits nor is undone, and of which by now
// the network delivers nothing any more.
func (l *ledger) forget(who claimant, e *entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.entries[who] == e && e.wake == nil && e.undo == nil {
		delete(l.entries, who)
	}
}

// leaves notes that a claimant is about to release, and returns what the server
// must be told: as what it may stand in the queue, and whether it is in doubt.
func (l *ledger) leaves(who claimant) (member string, inDoubt bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[who]
	if e == nil {
		return "", false
	}
	l.stopWaiting(e)
	return e.member, e.inDoubt
}

// isInDoubt reports whether a request of the claimant may still be applied.
func (l *ledger) isInDoubt(who claimant) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[who]
	return e != nil && e.inDoubt
}

// gone ends the entry of a claimant whose release was answered.
func (l *ledger) gone(who claimant) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[who]
	if e == nil {
		return
	}
	l.stopWaiting(e)
	e.stopUndo()
	delete(l.entries, who)
}

func (l *ledger) stopWaiting(e *entry) {
	if e.wake != nil {
		e.wake = nil
		l.waiting(-1)
	}
}

// woken wakes the claimant that a message names.
func (l *ledger) woken(who claimant) {
	l.mu.Lock()
	e := l.entries[who]
	wake := func() {}
	if e != nil && e.wake != nil {
		wake = e.wake
	}
	l.mu.Unlock()
	wake()
}

// wakeAll wakes all claimants, because messages may have been lost.
func (l *ledger) wakeAll() {
	l.mu.Lock()
	var wakes []func()
	for _, e := range l.entries {
		if e.wake != nil {
			wakes = append(wakes, e.wake)
		}
	}
	l.mu.Unlock()
	for _, wake := range wakes {
		wake()
	}
}

const (
	// firstUndo is how long after a failed release it is tried again; the pauses
	// double until undoFor has passed, by when the network delivers nothing any more.
	firstUndo = time.Second / 2
	undoFor   = time.Minute
	undoLimit = 5 * time.Second // of one try
)

// undoLater repeats the release of a claimant that may be in the queue, or is in doubt: a
// request for the lock and the release have both failed, and the request may be applied
// yet. Once a release is answered, the server refuses what arrives after it.
func (b *Backing) undoLater(c backing.Claim, pause, left time.Duration) {
	b.ledger.mu.Lock()
	defer b.ledger.mu.Unlock()
	if b.ledger.closed || b.ledger.entries[claimantOf(c)] == nil {
		return
	}
	b.ledger.undoAfter(claimantOf(c), pause, left, func(member string) error {
		ctx, cancel := context.WithTimeout(b.ledger.ctx, undoLimit)
		defer cancel()
		_, err := b.release(ctx, c, member, true, memory)
		return err
	})
}

// undoAfter calls release for a claimant with an entry when pause has passed, and then again
// while it fails. The caller has locked mu.
func (l *ledger) undoAfter(who claimant, pause, left time.Duration, release func(member string) error) {
	e := l.entries[who]
	e.stopUndo()
	pause = min(pause, left)
	var timer *time.Timer
	timer = time.AfterFunc(pause, func() {
		l.mu.Lock()
		current, member := e.undo == timer, e.member
		if current {
			l.undoing.Add(1)
			defer l.undoing.Done()
		}
		l.mu.Unlock()
		if !current { // the claimant has come back, or was released, or the ledger is closed
			return
		}
		err := release(member)
		l.mu.Lock()
		defer l.mu.Unlock()
		switch {
		case e.undo != timer:
		case err == nil, errors.Is(err, goredis.ErrClosed), left <= pause:
			delete(l.entries, who)
		default:
			l.undoAfter(who, 2*pause, left-pause, release)
		}
	})
	e.undo = timer
}

// onMessage takes a message, on the goroutine that reads them all: "<length of the lock's
// name> <the lock's name><holder's id>", as both may hold any bytes. It is a hint to ask
// and nothing else, so whatever cannot be read is left alone.
func (b *Backing) onMessage(payload string) {
	digits, names, ok := strings.Cut(payload, " ")
	n, err := strconv.Atoi(digits)
	if !ok || err != nil || n < 0 || n > len(names) {
		return
	}
	if key, ours := strings.CutPrefix(names[:n], b.prefix); ours {
		b.ledger.woken(claimant{key, names[n:]})
	}
}
