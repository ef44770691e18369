package backingtest

import (
	"fmt"
	"strconv"

	"github.com/effectlock/effectlock/backing"
)

// quote is a string that prints quoted, and shortened if it is long.
type quote string

func (s quote) String() string {
	const most = 60
	if len(s) > most {
		return fmt.Sprintf("%q… (%d bytes)", string(s[:most]), len(s))
	}
	return strconv.Quote(string(s))
}

// maybe is an Option that prints its value as it is.
type maybe struct {
	value any
	some  bool
}

func (m maybe) String() string {
	if !m.some {
		return "None"
	}
	return fmt.Sprintf("Some(%v)", m.value)
}

// claim prints as the arguments of a call.
type claim backing.Claim

func (c claim) String() string {
	words := fmt.Sprintf("%s, %s, %v", quote(c.Key), quote(c.Holder), c.TTL)
	if c.Attempt != "" {
		words += fmt.Sprintf(", attempt %s", quote(c.Attempt))
	}
	return words
}

// grant prints a token, and whether the grant was resumed.
type grant backing.Grant

func (g grant) String() string {
	if g.Resumed {
		return fmt.Sprintf("token %d, resumed", g.Token)
	}
	return fmt.Sprintf("token %d", g.Token)
}

// outcome prints the answer of Enqueue or Pass.
type outcome struct{ backing.Outcome }

func (o outcome) String() string {
	switch o := o.Outcome.(type) {
	case backing.Granted:
		return fmt.Sprintf("Granted(%v)", grant(o.Grant))
	case backing.Queued:
		return fmt.Sprintf("Queued(ask again in %v)", o.AskAgain)
	case backing.MustPoll:
		if o.Why != nil {
			return fmt.Sprintf("MustPoll(%v)", o.Why)
		}
		return "MustPoll"
	case backing.Refused:
		return "Refused"
	default:
		return fmt.Sprint(o)
	}
}
