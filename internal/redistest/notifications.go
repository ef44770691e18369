package redistest

import (
	"bufio"
	"bytes"
	"regexp"
)

// DropNotifications asks lose about each notification that a subscriber is
// sent, and loses it without a trace if the answer is true: the connection goes
// on. nil loses none.
func (p *Proxy) DropNotifications(lose func() bool) { p.change(func() { p.lose = lose }) }

// sieve takes notifications out of a stream of replies.
type sieve struct{ rest []byte }

// notification begins what a subscriber is sent, in the second or the third
// version of the protocol.
var notification = regexp.MustCompile(`^[*>]\d+\r\n\$\d+\r\n[sp]?message\r\n`)

// pass returns what may go on of all that has come. The beginning of a value
// stays until its end has come.
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

// valueLength is the length of the first value in b, 0 if it is not complete.
func valueLength(b []byte) int {
	var value bytes.Buffer
	if copyReply(&value, bufio.NewReader(bytes.NewReader(b))) != nil {
		return 0
	}
	return value.Len()
}
