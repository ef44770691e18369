package mutex

import "sync"

// maxPending bounds the failures of one lease that wait for its observer. By default
// a refresh is repeated each 100 ms, so an observer that stalls for a second and a half
// misses none of them. More would only make the end of the lock wait longer.
const maxPending = 16

// events delivers what happens to one lease: one event at a time, in order, and
// under no mutex but those of the caller. Acquired, and what ends the lease in its
// caller's goroutine, are delivered there. What the keeper notices is delivered by a
// goroutine that ends when nothing is pending: neither the other leases nor the work
// wait for it. The end of the lease does.
//
// One queue and goroutine for all leases was rejected: the observer of one user
// would delay the events of the others.
type events struct {
	acquired bool // has been delivered; owned by the goroutine that delivers

	mu      sync.Mutex
	busy    bool          // a goroutine delivers
	idle    chan struct{} // closed when it has ended; nil if nobody waits for that
	pending []Event
	skipped int // failures since the last event that was queued
}

// post has the event delivered soon, on another goroutine.
func (l *lease) post(e Event) {
	q := &l.events
	q.mu.Lock()
	defer q.mu.Unlock()
	if e.Kind == BackingFailed && len(q.pending) >= maxPending {
		q.skipped++
		return
	}
	e.Skipped, q.skipped = q.skipped, 0
	q.pending = append(q.pending, e)
	if !q.busy {
		q.busy = true
		go l.deliver()
	}
}

// deliver delivers what is pending. An observer that ends the goroutine, with
// runtime.Goexit, has had its event: the next one is delivered on another goroutine.
func (l *lease) deliver() {
	defer l.delivered()
	l.deliverAcquired()
	for e, ok := l.events.next(); ok; e, ok = l.events.next() {
		l.m.observer(e)
	}
}

// announce delivers Acquired on the calling goroutine, unless it has been delivered
// because the lease ended so soon.
func (l *lease) announce() {
	l.events.claim()
	defer l.delivered()
	l.deliverAcquired()
}

// conclude delivers the last event of the lease on the calling goroutine, after all
// others.
func (l *lease) conclude(e Event) {
	l.events.claim()
	defer l.delivered()
	l.deliverAcquired()
	e.Skipped = l.events.takeSkipped()
	l.m.observer(e)
}

// awaitDelivered waits until nothing is pending.
func (l *lease) awaitDelivered() {
	l.events.claim()
	l.delivered()
}

// deliverAcquired is the first step of whoever delivers.
func (l *lease) deliverAcquired() {
	if !l.events.acquired {
		l.events.acquired = true
		l.m.observer(l.event(Acquired, l.waited, nil))
	}
}

// claim makes the calling goroutine the one that delivers.
func (q *events) claim() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.busy {
		if q.idle == nil {
			q.idle = make(chan struct{})
		}
		idle := q.idle
		q.mu.Unlock()
		<-idle
		q.mu.Lock()
	}
	q.busy = true
}

// delivered ends what claim or post began. What has been posted meanwhile is
// delivered by a goroutine of its own.
func (l *lease) delivered() {
	q := &l.events
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.pending) > 0 {
		go l.deliver()
		return
	}
	q.busy, q.pending = false, nil
	if q.idle != nil {
		close(q.idle)
		q.idle = nil
	}
}

func (q *events) next() (e Event, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.pending) == 0 {
		return e, false
	}
	e, q.pending = q.pending[0], q.pending[1:]
	return e, true
}

func (q *events) takeSkipped() (n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n, q.skipped = q.skipped, 0
	return n
}
