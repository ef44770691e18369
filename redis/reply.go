package redis

import (
	"fmt"
	"strconv"
	"strings"
)

// reply is what a script answered: one of the letters below, and a number if one
// belongs to it.
type reply struct {
	kind   kind
	number uint64 // the token of a grant; what is left of the lease in ms, or noExpiry
}

// kind is the first letter of what a script answers.
type kind byte

const (
	granted kind = 'g' // with the token: the claimant has the lock
	resumed kind = 'r' // with the token: the claimant had the lock already
	queued  kind = 'q' // with what is left of the holder's lease: the claimant is in the queue
	unheard kind = 'u' // the same, and no subscriber of its channel is connected to the server
	polls   kind = 'p' // the claimant neither has the lock nor is in the queue
	yes     kind = 'y' // refreshed, or freed now
	no      kind = 'n' // not held, or refused
	earlier kind = 'e' // freed earlier
)

// noExpiry stands for a lease that does not end, which a foreign client may have made.
const noExpiry = ^uint64(0)

// parseReply reads the reply of a script that may give one of the kinds.
func parseReply(value, want string) (reply, error) {
	if value == "" || strings.IndexByte(want, value[0]) < 0 {
		return reply{}, badReply(value, want)
	}
	r := reply{kind: kind(value[0])}
	number := value[1:]
	switch r.kind {
	case queued, unheard:
		if strings.HasPrefix(number, "-") {
			r.number = noExpiry
			return r, nil
		}
	case granted, resumed:
	default:
		if number != "" {
			return reply{}, badReply(value, want)
		}
		return r, nil
	}
	n, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		return reply{}, badReply(value, want)
	}
	r.number = n
	return r, nil
}

func badReply(value, want string) error {
	return fmt.Errorf("redis: a script replied %q; want one of %q", value, want)
}
