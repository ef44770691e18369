package redistest

import (
	"bufio"
	"bytes"
	"regexp"
)

// DropNotifications calls lose for each notification to a subscriber, and drops the
// notification silently if the answer is true: the connection stays open. A nil lose
// drops none.
func (p *Proxy) DropNotifications(lose func() bool) { p.change(func() { p.lose = lose }) }

// sieve removes notifications from a stream of replies.
type sieve struct{ rest []byte }

// notification matches the start of a message to a subscriber, in version 2 or 3 of
// the protocol.
var notification = regexp.MustCompile(`^[*>]\d+\r\n\$\d+\r\n[sp]?message\r\n`)

// pass returns what may be forwarded. It keeps the beginning of a value until the end
// has arrived.
func (s *sieve) pass(b []byte, lose func() bool) (on []byte) {
	s.rest = append(s.rest, b...)
	for {
		n := valueLength(s.rest)
		if n == 0 {
			return on
		}
		if lose == nil || !notification.Match(s.rest[:n]) || !lose() {
			on = append(on, s.rest[:n]...)
		}
		s.rest = s.rest[n:]
	}
}

// valueLength returns the length of the first value in b, or 0 if it is incomplete.
func valueLength(b []byte) int {
	var value bytes.Buffer
	if copyReply(&value, bufio.NewReader(bytes.NewReader(b))) != nil {
		return 0
	}
	return value.Len()
}
