package main

import (
	"context"
	"sync"
	"time"
)

// holding is work under a lock that continues until leave is called, and only records
// when its context ends: that shows what would have overlapped.
type holding struct {
	entered chan struct{} // closed when the work has begun
	since   time.Time     // when the work began
	token   uint64
	lost    chan struct{} // closed when its context has ended
	told    time.Time     // when its context ended
	leave   func()        // ends the work
	ended   chan struct{} // closed when the lock has been released, or was not acquired
	err     error         // what the library returned then
}

// begin waits for the lock in the background.
func begin(ctx context.Context, c client, key string) *holding {
	enough := make(chan struct{})
	h := &holding{
		entered: make(chan struct{}), lost: make(chan struct{}), ended: make(chan struct{}),
		leave: sync.OnceFunc(func() { close(enough) }),
	}
	go func() {
		defer close(h.ended)
		h.err = c.with(ctx, key, func(work context.Context, token uint64) {
			h.since, h.token = time.Now(), token
			close(h.entered)
			select {
			case <-work.Done():
				h.told = time.Now()
				close(h.lost)
				<-enough
			case <-enough:
			}
		})
	}()
	return h
}

// hold returns when the work has begun.
func (s *stage) hold(c client) *holding {
	h := begin(s, c, key)
	if !h.enters(patience) {
		<-h.ended
		panic(h.err)
	}
	return h
}

func (h *holding) enters(limit time.Duration) bool {
	select {
	case <-h.entered:
		return true
	case <-h.ended:
		select {
		case <-h.entered:
			return true
		default:
			return false
		}
	case <-time.After(limit):
		return false
	}
}

// isTold waits for the end of the work's context, and reports whether it came.
func (h *holding) isTold(limit time.Duration) bool {
	select {
	case <-h.lost:
		return true
	case <-time.After(limit):
		return false
	}
}

// release ends the work and returns the library's error.
func (h *holding) release() error {
	h.end()
	return h.err
}

// end is release for callers that ignore the library's error.
func (h *holding) end() {
	h.leave()
	<-h.ended
}
