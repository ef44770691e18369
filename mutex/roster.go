package mutex

import (
	"slices"
	"time"
)

// roster has the leases of a keeper in the order of when they are due.
//
// Those that are due at the same moment are one shift, and there are few moments:
// leases that were refreshed together are due together. So a place is found in a
// few steps from the end, also when answers come late and out of order, and left
// without a search. A heap would cost each refresh a logarithm, a timer for each
// lease its memory.
type roster struct{ shifts []*shift }

// shift is a list of leases.
type shift struct {
	due         time.Time
	first, last *lease
}

func (r *roster) add(l *lease, due time.Time) {
	at := len(r.shifts)
	for at > 0 && due.Before(r.shifts[at-1].due) {
		at--
	}
	if at == 0 || !r.shifts[at-1].due.Equal(due) {
		r.shifts = slices.Insert(r.shifts, at, &shift{due: due})
		at++
	}
	s := r.shifts[at-1]
	l.in, l.prev = s, s.last
	if s.last != nil {
		s.last.next = l
	} else {
		s.first = l
	}
	s.last = l
}

// next is the first lease that is due, and when.
func (r *roster) next() (*lease, time.Time) {
	empty := 0
	for empty < len(r.shifts) && r.shifts[empty].first == nil {
		empty++
	}
	r.shifts = slices.Delete(r.shifts, 0, empty)
	if len(r.shifts) == 0 {
		return nil, time.Time{}
	}
	return r.shifts[0].first, r.shifts[0].due
}

// strike takes a lease out of the roster that it is in.
func (l *lease) strike() {
	if l.prev != nil {
		l.prev.next = l.next
	} else {
		l.in.first = l.next
	}
	if l.next != nil {
		l.next.prev = l.prev
	} else {
		l.in.last = l.prev
	}
	l.in, l.prev, l.next = nil, nil, nil
}
