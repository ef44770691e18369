package main

import (
	"context"
	"errors"
	"time"
)

var errStillWaiting = errors.New("it still waits")

func lostAcquireReply(s *stage) string {
	c := s.far(lease)
	s.proxy.DropReplies(1, c.stored(key))
	began := time.Now()
	h := begin(s, c, key)
	if !h.enters(patience) {
		return "not acquired: " + quote(h.outcome())
	}
	defer h.end()
	return "acquired " + span(h.since.Sub(began))
}

// outcome ends the work if it has begun, or says that the library is still waiting.
func (h *holding) outcome() error {
	h.leave()
	select {
	case <-h.ended:
		return h.err
	case <-time.After(time.Second):
		return errStillWaiting
	}
}

func lostReleaseReply(s *stage) string {
	c := s.far(long)
	h := s.hold(c)
	s.proxy.DropReplies(1, c.stored(key))
	err := h.release()
	if s.exists(c) {
		return "not released; " + quote(err)
	}
	return "released; " + quote(err)
}

func cancelledInFlight(s *stage) string {
	c := s.far(long)
	s.proxy.CutReplies()
	ctx, cancel := context.WithCancel(s)
	defer cancel()
	h := begin(ctx, c, key)
	// A library that soon gives up its tries may have come and gone between two checks.
	for began := time.Now(); !s.exists(c) && time.Since(began) < time.Second; {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(settle)
	cancel()
	ended := time.Now()
	free := make(chan time.Duration, 1)
	go func() { free <- s.freeAfter(c) }()
	time.Sleep(settle)
	s.proxy.Heal() // an answer that was on its way never arrives: its connection is gone
	s.proxy.Reset()
	<-h.ended
	text := "returns " + span(time.Since(ended))
	kept := <-free
	if kept > long/2 {
		return text + ", **held for " + seconds(kept) + "**"
	}
	return text + ", free " + span(kept)
}
