package mutex

import "sync"

// maxPending bounds the failures of one lease that wait for its observer. By default
// a refresh is repeated every 100 ms, so an observer that stalls for 1.5 s misses none of
// them. With a higher bound the end of the lock would only wait longer.
const maxPending = 16

// events delivers the events of one lease to the observer: one at a time, in order, and
// without holding a mutex of this package. Acquired, and the event that ends the lease on
// its caller's goroutine, are delivered there. What the keeper notices is delivered by a
// goroutine that ends when nothing is pending. Neither other leases nor the work wait for
// it, but the end of the lease does.
//
// One queue and goroutine for all leases was rejected: the observer of one user
// would delay the events of the others.
type events struct {
	acquired bool // whether Acquired was delivered; owned by the goroutine that delivers

	mu      sync.Mutex
	busy    bool          // whether a goroutine delivers
	idle    chan struct{} // closed when busy ends; nil if no goroutine waits for that
	pending []Event
	skipped int // failures since the last event that was queued
}

// post queues an event, to be delivered on another goroutine.
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

// deliver delivers what is pending. If the observer ends the goroutine with
// runtime.Goexit, the next event is delivered on another one.
func (l *lease) deliver() {
	defer l.delivered()
	l.deliverAcquired()
	for e, ok := l.events.next(); ok; e, ok = l.events.next() {
		l.m.observer(e)
	}
}

// announce delivers Acquired on the calling goroutine, unless it was delivered already,
// before another event of the lease.
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

// deliverAcquired delivers Acquired if that is still to be done. The goroutine that
// delivers calls it before it delivers another event.
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

// delivered ends the delivery that claim or post began. Events that were posted
// meanwhile are delivered by a new goroutine.
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
