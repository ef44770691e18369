package mutex

import "time"

// roster is a list of leases in the order of when they are due. A lease is in
// one roster at most, and leaves it from any place without a search.
//
// Leases of one keeper come in nearly in order, for they run equally long: to
// look for the right place from the end takes a step or two. A heap would cost
// each refresh a logarithm, a timer for each lease its memory.
type roster struct{ first, last *lease }

func (r *roster) add(l *lease, due time.Time) {
	l.in, l.due = r, due
	before := r.last
	for before != nil && due.Before(before.due) {
		before = before.prev
	}
	l.prev = before
	if before != nil {
		l.next, before.next = before.next, l
	} else {
		l.next, r.first = r.first, l
	}
	if l.next != nil {
		l.next.prev = l
	} else {
		r.last = l
	}
}

func (r *roster) remove(l *lease) {
	if l.prev != nil {
		l.prev.next = l.next
	} else {
		r.first = l.next
	}
	if l.next != nil {
		l.next.prev = l.prev
	} else {
		r.last = l.prev
	}
	l.in, l.prev, l.next = nil, nil, nil
}
