package main

import (
	"fmt"
	"time"
)

func cutOff(s *stage) string {
	first := s.hold(s.far(lease))
	second := begin(s, s.near(lease), key)
	time.Sleep(settle)
	s.proxy.Cut()
	return s.meet(first, second)
}

// lateRefresh lets the holder's requests through, but not the answers, until the lease
// that the first renewal extended has ended as well.
func lateRefresh(s *stage) string {
	first := s.hold(s.far(lease))
	second := begin(s, s.near(lease), key)
	time.Sleep(settle)
	s.proxy.CutReplies()
	heal := time.AfterFunc(time.Until(first.since.Add(2900*time.Millisecond)), s.proxy.Heal)
	defer heal.Stop()
	return s.meet(first, second)
}

// meet describes the overlap between a holder that lost the lock and the one that got it.
func (s *stage) meet(first, second *holding) string {
	defer func() {
		s.proxy.Heal()
		second.leave()
		first.end()
		second.end()
	}()
	if !second.enters(patience) {
		return "the other never acquires: " + quote(second.outcome())
	}
	return overlap(first, second, patience)
}

func deleted(s *stage) string {
	c := s.near(lease)
	h := s.hold(c)
	time.Sleep(settle)
	check(s.direct.Del(s, c.stored(key)).Err())
	began := time.Now()
	text := "**never cancelled**"
	if h.isTold(2 * lease) {
		text = "cancelled " + span(h.told.Sub(began))
	}
	time.Sleep(lease) // long enough for a renewal that recreates the key
	if s.exists(c) {
		text += ", **re-created**"
	}
	return text + "; " + quote(h.release())
}

func releasedLate(s *stage) string {
	first := s.hold(s.far(lease))
	s.proxy.Cut()
	c := s.near(long)
	second := s.hold(c)
	before := s.direct.Get(s, c.stored(key)).Val()
	s.proxy.Heal()
	err := first.release()
	text := "untouched"
	if s.direct.Get(s, c.stored(key)).Val() != before {
		text = "**the other's lock is gone**"
	}
	second.end()
	return text + "; " + quote(err)
}

func foreignRefresh(s *stage) string {
	const foreign = time.Minute
	c := s.near(lease)
	h := s.hold(c)
	check(s.direct.Set(s, c.stored(key), "another", foreign).Err())
	began := time.Now()
	text := "**never cancelled**"
	if h.isTold(2 * lease) {
		text = "cancelled " + span(h.told.Sub(began))
	}
	err := h.release()
	left := s.direct.PTTL(s, c.stored(key)).Val()
	if holder := s.direct.Get(s, c.stored(key)).Val(); holder != "another" {
		return fmt.Sprintf("**the other's lock is gone**; %s", text)
	}
	if left < foreign-time.Since(began)-time.Second || left > foreign {
		return fmt.Sprintf("**the other's lease became %v**; %s", left, text)
	}
	return "untouched; " + text + "; " + quote(err)
}
