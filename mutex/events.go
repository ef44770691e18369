package mutex

import "sync"

// maxPending bounds the failures of one lease that wait for its observer. By default
// a refresh is repeated every 100 ms, so an observer that stalls for 1.5 s misses none of
// them. A higher bound would only make the end of the lock wait longer.
const maxPending = 16

// events are the events of one lease for its observer; the mutex of the lease guards them.
// One goroutine at a time delivers them, in order and without holding a mutex: that of a
// caller, or one of their own that ends when nothing is pending. The end of the lease waits
// for it; the work and other leases do not.
//
// One queue and goroutine for all leases was rejected: the observer of one user
// would delay the events of the others.
type events struct {
	acquired   bool // Acquired, the first event, was taken
	delivering bool
	idle       sync.Cond // signals the end of delivering
	pending    []Event
	skipped    int // failures that were not reported, since the last event
}

// post leaves an event to another goroutine. The caller has locked the lease's mutex.
func (l *lease) post(e Event) {
	if e.Kind == BackingFailed && len(l.pending) >= maxPending {
		l.skipped++
		return
	}
	e.Skipped, l.skipped = l.skipped, 0
	l.pending = append(l.pending, e)
	if !l.delivering {
		l.delivering = true
		go l.deliver()
	}
}

// deliverAll delivers the pending events on the calling goroutine, and then the event last,
// if there is one. It returns when nothing is pending.
func (l *lease) deliverAll(last ...Event) {
	l.mu.Lock()
	for l.delivering {
		l.idle.Wait()
	}
	l.delivering = true
	l.mu.Unlock()
	l.deliver(last...)
}

// deliver delivers until nothing is pending. If the observer panics or ends the goroutine,
// another one goes on.
func (l *lease) deliver(last ...Event) {
	done := false
	defer func() {
		if !done {
			go l.deliver()
		}
	}()
	for e, ok := l.next(&last); ok; e, ok = l.next(&last) {
		l.m.observe(l.ctx, e)
	}
	done = true
}

// next takes the next event. If there is none, the delivery ends.
func (l *lease) next(last *[]Event) (e Event, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case !l.acquired:
		l.acquired = true
		return l.event(Acquired, l.waited, nil), true
	case len(l.pending) > 0:
		e, l.pending = l.pending[0], l.pending[1:]
		return e, true
	case len(*last) > 0:
		e, *last = (*last)[0], nil
		e.Skipped = l.skipped
		return e, true
	}
	l.delivering, l.pending = false, nil
	l.idle.Broadcast()
	return e, false
}
