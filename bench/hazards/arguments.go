package main

import (
	"errors"
	"fmt"
	"time"
)

func shortLease(s *stage) string {
	c, err := s.open(setting{addr: s.server.Addr(), ttl: 500 * time.Microsecond})
	if err != nil {
		return "refused: " + quote(err)
	}
	defer c.close()
	first := begin(s, c, key)
	if !first.enters(tooLong) {
		err := first.outcome()
		if errors.Is(err, errStillWaiting) {
			return "accepted; **never acquires**"
		}
		return "refused: " + quote(err)
	}
	defer first.end()
	second := begin(s, c, key)
	if !second.enters(tooLong) {
		return "accepted; the next waiter: " + quote(second.outcome())
	}
	defer second.end()
	return "accepted; " + overlap(first, second, time.Second)
}

func prefixID(s *stage) string {
	if !s.named {
		return nothing
	}
	open := func(id string) client {
		c, err := s.open(setting{addr: s.server.Addr(), ttl: long, id: id})
		check(err)
		s.owner.Cleanup(c.close)
		return c
	}
	first := s.hold(open("worker-10"))
	second := begin(s, open("worker-1"), key)
	text := "waits"
	if second.enters(2 * time.Second) {
		text = "**acquires as well**"
	}
	first.end()
	second.end()
	return text
}

func tokens(s *stage) string {
	c := s.near(lease)
	var seen []uint64
	for range 3 {
		h := s.hold(c)
		h.end()
		seen = append(seen, h.token)
		check(s.direct.FlushAll(s).Err())
	}
	switch {
	case seen[0] == 0:
		return nothing
	case seen[0] < seen[1] && seen[1] < seen[2]:
		return "rising"
	}
	return fmt.Sprintf("**not rising**: %d", seen)
}
