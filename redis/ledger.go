package redis

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/effectlock/effectlock/backing"
)

// A ledger has an entry for each claimant about which the server may know more than it has
// answered. A claimant is in any number of four states; in none of them it has no entry:
//
//	queued    it may be in the queue, as member
//	waiting   messages wake it: wake is set
//	in doubt  a request of it has no reply, and may be applied within undoFor
//	undone    it has left, its release has no answer, and is repeated: undo is set
//
// Invariant: a claimant that waits is queued and not undone; a claimant that is undone is
// queued or in doubt. A claimant that does not wait is forgotten undoFor after its last
// request, when the network can no longer deliver that.
type ledger struct {
	mu      sync.Mutex
	entries map[claimant]*entry
	waiting func(delta int) // called when the number of waiting claimants changes

	ctx     context.Context // of the releases that are repeated; ends with close
	cancel  context.CancelFunc
	undoing sync.WaitGroup // the goroutines that repeat a release
}

type claimant struct{ key, holder string }

func claimantOf(c backing.Claim) claimant { return claimant{c.Key, c.Holder} }

type entry struct {
	place
	inDoubt bool
	undo    *time.Timer
}

// place is the place of a claimant in a queue. Outside any queue, member is "" and wake is
// nil.
type place struct {
	member string
	wake   func()
}

func newLedger(waiting func(delta int)) *ledger {
	l := &ledger{entries: map[claimant]*entry{}, waiting: waiting}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l
}

// close ends the repeated releases and waits for them. None begins afterwards.
func (l *ledger) close() {
	l.mu.Lock()
	l.cancel()
	l.mu.Unlock()
	l.undoing.Wait()
}

// request is a request for the lock that is under way.
type request struct {
	who           claimant
	before, asked place // the claimant's place before the request, and if the request queues it
	inDoubt       bool  // earlier requests have left the claimant in doubt
}

// begin records that a request is about to be sent. If the request asks for a place in the
// queue, the claimant can already be woken, even by a message that overtakes the reply. If
// the claimant was being undone, that ends: it has come back under its holder id.
func (l *ledger) begin(who claimant, asked place) request {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.entries[who] == nil && asked.member == "" {
		return request{who: who}
	}
	e := l.enter(who)
	e.undo = nil
	r := request{who, e.place, asked, e.inDoubt}
	if asked.member == "" {
		r.asked = e.place
	}
	l.move(e, r.asked)
	return r
}

// end records the place in which a request has left the claimant, and whether a copy of the
// request may yet be applied. The claimant may have left meanwhile, and its release may
// have arrived before the server queued it: its next release removes it from the queue.
func (l *ledger) end(r request, now place, inDoubt bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.entries[r.who] == nil && now.member == "" && !inDoubt {
		return
	}
	e := l.enter(r.who)
	if e.wake == nil { // it has left meanwhile
		now.wake = nil
	}
	l.move(e, now)
	e.inDoubt = e.inDoubt || inDoubt
	switch {
	case e.member == "" && !e.inDoubt:
		l.remove(r.who)
	case e.wake == nil: // a claimant whose last request was answered holds nothing, and may never release
		time.AfterFunc(undoFor, func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			if l.entries[r.who] == e && e.wake == nil && e.undo == nil {
				l.remove(r.who)
			}
		})
	}
}

// leave records that a claimant is about to release. It returns what the release must say:
// the member as which the claimant may be in the queue, and whether it is in doubt.
func (l *ledger) leave(who claimant) (member string, inDoubt bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[who]
	if e == nil {
		return "", false
	}
	l.move(e, place{member: e.member})
	return e.member, e.inDoubt
}

// released removes the entry of a claimant whose release was answered.
func (l *ledger) released(who claimant) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.remove(who)
}

// The caller of enter, remove and move has locked mu.

func (l *ledger) enter(who claimant) *entry {
	if l.entries[who] == nil {
		l.entries[who] = &entry{}
	}
	return l.entries[who]
}

func (l *ledger) remove(who claimant) {
	if e := l.entries[who]; e != nil {
		l.move(e, place{})
		e.undo = nil
		delete(l.entries, who)
	}
}

func (l *ledger) move(e *entry, to place) {
	switch {
	case e.wake == nil && to.wake != nil:
		l.waiting(+1)
	case e.wake != nil && to.wake == nil:
		l.waiting(-1)
	}
	e.place = to
}

const (
	firstUndo = time.Second / 2 // the pause before a release is repeated; it doubles each time
	undoFor   = time.Minute     // how long a release is repeated
	undoLimit = 5 * time.Second // how long one attempt may take
)

// undo repeats the release of a claimant whose requests may yet be applied. Once a release
// is answered, the server refuses requests that arrive after it.
func (l *ledger) undo(who claimant, release func(ctx context.Context, member string) error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[who]
	if e == nil {
		return
	}
	pause, remaining := firstUndo, undoFor
	var timer *time.Timer
	timer = time.AfterFunc(pause, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if e.undo != timer || l.ctx.Err() != nil {
			return
		}
		member := e.member
		l.undoing.Add(1)
		defer l.undoing.Done()
		l.mu.Unlock()
		ctx, cancel := context.WithTimeout(l.ctx, undoLimit)
		err := release(ctx, member)
		cancel()
		l.mu.Lock()
		remaining -= pause
		switch pause = min(2*pause, remaining); {
		case e.undo != timer:
		case err == nil, errors.Is(err, goredis.ErrClosed), remaining <= 0:
			l.remove(who)
		default:
			timer.Reset(pause)
		}
	})
	e.undo = timer
}

// wakeAll wakes all waiting claimants, because messages may have been lost.
func (l *ledger) wakeAll() {
	l.mu.Lock()
	all := slices.Collect(maps.Keys(l.entries))
	l.mu.Unlock()
	for _, who := range all {
		l.wake(who)
	}
}

func (l *ledger) wake(who claimant) {
	l.mu.Lock()
	e := l.entries[who]
	if e == nil || e.wake == nil {
		l.mu.Unlock()
		return
	}
	wake := e.wake
	l.mu.Unlock()
	wake() // without the mutex: it may ask, and so use the ledger
}

// onMessage wakes the claimant for which a message is meant. The message is "<length of the
// lock's name> <the lock's name><holder's id>", because both may contain any bytes. It is
// only a hint, so one that cannot be read is ignored. onMessage is called on the one
// goroutine that reads all messages.
func (b *Backing) onMessage(payload string) {
	digits, names, _ := strings.Cut(payload, " ")
	n, err := strconv.Atoi(digits)
	if err != nil || n < 0 || n > len(names) {
		return
	}
	if key, ours := strings.CutPrefix(names[:n], b.prefix); ours {
		b.ledger.wake(claimant{key, names[n:]})
	}
}
