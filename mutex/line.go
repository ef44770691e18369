package mutex

import (
	"context"
	"sync"
	"time"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/effect"
)

// line is the queue of those in this process who want one lock. It is a list,
// which any waiter can leave at once, from any place. Only the first in line
// asks the store, and not while the process itself has the lock: then the holder
// hands it on.
type line struct {
	mu          sync.Mutex
	first, last *place
	holder      string    // of this process, "" if it does not have the lock, as far as is known
	streak      int       // how often it was handed on in a row
	since       time.Time // the streak goes on
	asked       time.Time // when the store was last asked
	polling     bool      // because the store refused to queue the first in line
	unseen      bool      // who waits in other processes: the store does not know
	rest        time.Time // until when they come first
}

// maxStreak is how often a process hands the lock on before it offers it to
// the waiters of other processes.
//
// Where they poll, the lock must stay free for a while to be found so. That is
// too dear to be done that often: it is done after maxStreak intervals of polling
// at the soonest.
const maxStreak = 8

// place is one waiter's place in a line.
type place struct {
	line          *line
	ahead, behind *place
	m             *Mutex
	claim         backing.Claim
	lease         lease // that the waiter will have: one allocation for both

	// Under the line's mutex:
	woken   bool          // and should look again
	wake    chan struct{} // has a value then, if it sleeps
	ask     bool          // the store, when it is this waiter's turn
	askBy   time.Time     // likewise; zero: when the policy says so
	passing bool          // a holder is handing the lock to this waiter
	asking  bool          // whether a request is under way, or has failed and may have been received
	known   bool          // the store may have the claimant in its queue, or as the holder
	doubt   bool          // the store may know the claimant, whatever it answers from now on
	grant   *grant        // what a holder of this process passed to this waiter
	left    bool
	served  bool // when it left
}

// grant is what the store gave in answer to a request that was sent at start. The
// lease is counted from then.
type grant struct {
	backing.Grant
	start time.Time
}

// join takes the last place.
func (l *line) join(m *Mutex, c backing.Claim) *place {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := &place{line: l, ahead: l.last, m: m, claim: c, ask: true}
	if p.ahead != nil {
		p.ahead.behind = p
	} else {
		l.first = p
	}
	l.last = p
	return p
}

// leave gives up the place; the next in line may come first by that. It reports
// whether the store must be told, if the waiter was not served.
func (p *place) leave(served bool) (known bool) {
	l := p.line
	l.mu.Lock()
	defer l.mu.Unlock()
	p.left, p.served = true, served
	if p.behind != nil {
		p.behind.ahead = p.ahead
	} else {
		l.last = p.ahead
	}
	if p.ahead != nil {
		p.ahead.behind = p.behind
	} else if l.first = p.behind; l.first != nil && !l.isTaken(l.first) {
		l.first.rouse()
	}
	p.ahead, p.behind = nil, nil // who keeps this place does not keep those that come later
	return p.known || p.asking
}

// mayAsk reports whether it is time for this waiter to ask the store, also
// because its policy says so.
func (p *place) mayAsk(now time.Time, policySaysSo bool) bool {
	l := p.line
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Before(l.rest) {
		return false
	}
	due := p.ask || policySaysSo && p.askBy.IsZero() || !p.askBy.IsZero() && !now.Before(p.askBy)
	if !due || p.ahead != nil || p.passing || l.isTaken(p) {
		return false
	}
	p.ask, p.asking, l.asked = false, true, now
	return true
}

// unsent notes that no attempt at the request has reached the store.
func (p *place) unsent() {
	p.line.mu.Lock()
	defer p.line.mu.Unlock()
	p.asking = false
}

// isTaken reports whether another holder of this process has the lock. One with the
// waiter's own id is the same holder to the store, and keeps it from nothing.
func (l *line) isTaken(p *place) bool { return l.holder != "" && l.holder != p.claim.Holder }

// enqueue asks the store for the lock, and to wake this waiter when it should ask again.
func (p *place) enqueue(ctx context.Context) (backing.Outcome, error) {
	if p.m.queue != nil {
		return p.m.queue.Enqueue(ctx, p.waiter())
	}
	return p.m.tryAcquire(ctx, p.claim)
}

// waiter is the claimant as the store sees it. A wake-up makes it ask, and proves
// nothing: the store may wake it late, twice, or while another holder has the lock.
func (p *place) waiter() backing.Waiter { return backing.Waiter{Claim: p.claim, Wake: p.askNow} }

// notGranted notes the answer to a request that did not get the lock. If the waiters
// must poll from now on, where they did not have to before, it returns the reason.
func (p *place) notGranted(a answer, now time.Time) (polling error) {
	l := p.line
	l.mu.Lock()
	defer l.mu.Unlock()
	queued, isQueued := a.outcome.(backing.Queued)
	// A waiter that was queued, and must poll now, may have been left in the queue, to get
	// its place back: it tells the store when it leaves.
	p.doubt = p.doubt || a.doubtful || isQueued
	p.asking, p.known, p.askBy = false, p.doubt || isQueued, time.Time{}
	if isQueued {
		p.askBy, l.unseen = now.Add(noFlood(queued.AskAgain)), false
	}
	if l.holder == p.claim.Holder && p.grant == nil {
		l.holder = "" // what it was given has come to an end before it was used
	}
	poll, _ := a.outcome.(backing.MustPoll)
	before := l.polling
	l.polling = poll.Why != nil
	if before {
		return nil
	}
	return poll.Why
}

// alarm is when the waiter should look again if nothing wakes it before; zero
// means never. polls tells that it must ask as its policy says.
func (p *place) alarm() (at time.Time, polls bool) {
	l := p.line
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case p.passing || l.isTaken(p):
		return time.Time{}, false
	case p.ahead != nil:
		return time.Time{}, p.m.queue == nil
	case time.Now().Before(l.rest):
		return l.rest, false
	}
	return p.askBy, p.askBy.IsZero()
}

// hurry has the first in line ask the store if it has not done so for much
// longer than every. A waiter must not wait by the policy of the one before it.
func (p *place) hurry(every time.Duration) {
	l := p.line
	l.mu.Lock()
	defer l.mu.Unlock()
	if p.ahead != nil && l.first.askBy.IsZero() && time.Since(l.asked) >= every+every/2 {
		l.first.rouse()
	}
}

// rouse has the waiter ask the store, when it is its turn.
func (p *place) rouse() {
	p.ask = true
	p.nudge()
}

func (p *place) nudge() {
	if p.woken {
		return
	}
	p.woken = true
	if p.wake != nil {
		p.wake <- struct{}{}
	}
}

// askNow is rouse for those who do not have the line's mutex.
func (p *place) askNow() {
	p.line.mu.Lock()
	defer p.line.mu.Unlock()
	p.rouse()
}

// successor is the waiter to whom holder should hand the lock, and whether
// those in other processes come before it.
func (l *line) successor(holder string) (next *place, yield bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.first == nil || l.first.claim.Holder == holder { // the same holder: the store can tell no difference
		return nil, false
	}
	l.first.passing, l.first.ask = true, false // a wake-up from here on is kept: Pass may queue the waiter
	yield = l.streak >= maxStreak && (!l.unseen || time.Since(l.since) >= maxStreak*l.first.m.retryInterval)
	return l.first, yield
}

// handoverDone gives the waiter the lock that a holder of this process had, unless
// the waiter has left.
func (p *place) handoverDone(g grant, yielded bool) bool {
	l := p.line
	l.mu.Lock()
	defer l.mu.Unlock()
	if p.left {
		return p.served // its own request was answered first
	}
	if l.streak++; yielded {
		l.streak, l.since = 0, time.Now() // nobody else wanted it
	}
	l.holder = p.claim.Holder
	p.passing, p.known, p.grant = false, true, &g
	p.nudge()
	return true
}

// handoverFailed ends a handover in which the waiter did not get the lock. It is queued
// behind another process, or the lock was released for those who poll, or the outcome is
// unknown. It reports whether the store must be told that the waiter has left meanwhile.
func (p *place) handoverFailed(o backing.Outcome, err error) (orphan bool) {
	l := p.line
	l.mu.Lock()
	defer l.mu.Unlock()
	queued, isQueued := o.(backing.Queued)
	if p.left {
		return !p.served && (err != nil || isQueued)
	}
	p.passing = false
	p.known = p.known || err != nil || isQueued
	if isQueued { // and asks at once if it was woken before this answer came
		l.holder, p.askBy, l.unseen = "", time.Now().Add(noFlood(queued.AskAgain)), false
		p.nudge()
		return false
	}
	if _, freed := o.(backing.MustPoll); freed {
		l.unseen, l.rest = true, time.Now().Add(p.m.retryInterval*5/4)
	}
	p.rouse()
	return false
}

// takeGrant returns what the waiter was given since it last looked.
func (p *place) takeGrant() *grant {
	p.line.mu.Lock()
	defer p.line.mu.Unlock()
	g := p.grant
	p.grant = nil
	return g
}

// sleepUntil waits until t, or for ever if t is zero, or until this place is
// woken, and fails if ctx ends before.
func (p *place) sleepUntil(ctx context.Context, t time.Time) error {
	if p.lieDown() {
		return nil
	}
	var alarm <-chan time.Time
	if !t.IsZero() {
		timer := time.NewTimer(time.Until(t))
		defer timer.Stop()
		alarm = timer.C
	}
	var err error
	select {
	case <-p.wake:
	case <-alarm:
	case <-ctx.Done():
		err = effect.Interrupted(ctx, nil)
	}
	p.getUp()
	return err
}

// lieDown makes what can be waited for, unless the waiter has been woken already.
func (p *place) lieDown() (woken bool) {
	p.line.mu.Lock()
	defer p.line.mu.Unlock()
	if p.woken {
		p.woken = false
		return true
	}
	p.wake = make(chan struct{}, 1)
	return false
}

func (p *place) getUp() {
	p.line.mu.Lock()
	defer p.line.mu.Unlock()
	p.woken, p.wake = false, nil
}

// occupy notes that a holder of this process has got the lock from the store.
func (l *line) occupy(holder string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.holder, l.streak, l.since = holder, 0, time.Now()
}

// vacate notes that holder no longer has the lock, and has the first in line
// ask the store, unless the lock is on its way to it.
func (l *line) vacate(holder string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.holder == holder {
		l.holder = ""
		l.rouseFirst()
	}
}

// freed has the first in line ask the store, which may just have freed the lock.
func (l *line) freed() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rouseFirst()
}

func (l *line) rouseFirst() {
	switch {
	case l.holder != "" || l.first == nil:
	case l.first.askBy.IsZero():
		l.first.rouse()
	default:
		l.first.nudge() // it sleeps without an alarm while the process has the lock
	}
}
