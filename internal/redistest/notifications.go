package redistest

import (
	"bytes"
	"regexp"
	"strconv"
)

// DropNotifications asks lose about each notification that a subscriber is
// sent, and loses it without a trace if the answer is true: the connection goes
// on. nil loses none.
func (p *Proxy) DropNotifications(lose func() bool) { p.change(func() { p.lose = lose }) }

// sieve takes notifications out of a stream of replies.
type sieve struct{ rest []byte }

// notification begins what a subscriber is told, in the second or the third
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
//
// See the Redis serialization protocol specification.
func valueLength(b []byte) int {
	line, _, ok := bytes.Cut(b, []byte("\r\n"))
	if !ok || len(line) == 0 {
		return 0
	}
	n, size := len(line)+2, 0
	switch line[0] {
	case '$', '=', '!':
		if size, _ = strconv.Atoi(string(line[1:])); size < 0 {
			return n
		}
		if n += size + 2; n > len(b) {
			return 0
		}
		return n
	case '*', '>', '~':
		size, _ = strconv.Atoi(string(line[1:]))
	case '%', '|':
		size, _ = strconv.Atoi(string(line[1:]))
		size *= 2
	}
	for range max(size, 0) {
		element := valueLength(b[n:])
		if element == 0 {
			return 0
		}
		n += element
	}
	return n
}
