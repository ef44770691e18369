package lease

import (
	"container/heap"
	"slices"
	"time"
)

// schedule keeps leases in order of their due times.
//
// It is a heap of buckets. Leases that were refreshed together are due together, so there
// are few buckets, and a refresh costs the same however many leases are held. A heap of
// leases would double that with 100,000; a timer for each would cost its memory.
type schedule struct {
	heap  buckets
	at    map[time.Duration]*bucket
	spare *bucket // the last bucket to become empty, for reuse
}

// bucket holds the leases that are due at one moment, in no order. It is never empty.
type bucket struct {
	due    time.Duration
	leases []*Lease
	index  int // its position in the heap
}

// first returns the bucket that is due first, or nil if there is none.
func (s *schedule) first() *bucket {
	if len(s.heap) == 0 {
		return nil
	}
	return s.heap[0]
}

// move adds a lease, or changes when it is due.
func (s *schedule) move(l *Lease, due time.Duration) {
	s.remove(l)
	b := s.at[due]
	if b == nil {
		if b, s.spare = s.spare, nil; b == nil {
			b = &bucket{}
		}
		b.due, s.at[due] = due, b
		heap.Push(&s.heap, b)
	}
	l.bucket, l.index = b, len(b.leases)
	b.leases = append(b.leases, l)
}

// remove takes a lease out, if it is there.
func (s *schedule) remove(l *Lease) {
	b := l.bucket
	if b == nil {
		return
	}
	end := len(b.leases) - 1
	last := b.leases[end]
	b.leases[l.index], last.index = last, l.index
	b.leases[end], l.bucket = nil, nil
	if b.leases = b.leases[:end]; end == 0 {
		heap.Remove(&s.heap, b.index)
		delete(s.at, b.due)
		s.spare = b
	}
}

// buckets implements heap.Interface.
type buckets []*bucket

func (h *buckets) Len() int           { return len(*h) }
func (h *buckets) Less(i, j int) bool { return (*h)[i].due < (*h)[j].due }
func (h *buckets) Swap(i, j int) {
	a, b := (*h)[i], (*h)[j]
	(*h)[i], (*h)[j], a.index, b.index = b, a, j, i
}

func (h *buckets) Push(b any) {
	b.(*bucket).index = len(*h)
	*h = append(*h, b.(*bucket))
}

func (h *buckets) Pop() any {
	end := len(*h) - 1
	b := (*h)[end]
	*h = slices.Delete(*h, end, end+1) // Delete clears the slot, so that b can be collected
	return b
}
