package redis

import (
	"strconv"
	"strings"
	"time"

	"github.com/effectlock/effectlock/backing"
)

// message is what a script publishes to tell a claimant that it has a lock:
// "<token> <lease in ms> <server's time in microseconds> <length of the lock's
// name> <the lock's name><holder's id>", for both may hold any bytes.
type message struct {
	token        uint64
	lease        time.Duration
	clock        int64
	lock, holder string
	received     time.Time
}

func parseMessage(payload string) (m message, ok bool) {
	fields := strings.SplitN(payload, " ", 5)
	if len(fields) != 5 {
		return m, false
	}
	var numbers [4]int64
	for i := range numbers {
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil || n < 0 {
			return m, false
		}
		numbers[i] = n
	}
	names := fields[4]
	if numbers[3] > int64(len(names)) {
		return m, false
	}
	return message{
		token:    uint64(numbers[0]),
		lease:    time.Duration(numbers[1]) * time.Millisecond,
		clock:    numbers[2],
		lock:     names[:numbers[3]],
		holder:   names[numbers[3]:],
		received: time.Now(),
	}, true
}

// handed says what the message means to a claimant with that TTL, whose request
// was sent at sent and applied when the server's clock was at asked, 0 if that is
// not known. The lease cannot have begun before the request, nor sooner after it
// than the server's clock says, which is asked for nothing but this difference.
func (m message) handed(sent time.Time, asked int64, ttl time.Duration) backing.Handed {
	start := sent
	if asked > 0 && m.clock > asked {
		elapsed := time.Duration(m.clock-asked) * time.Microsecond
		start = sent.Add(elapsed - elapsed/100) // for clocks that run at different rates, as with a lease
	}
	if start.After(m.received) {
		start = m.received
	}
	return backing.Handed{Grant: backing.Grant{Token: m.token}, Start: start, Lease: min(m.lease, ttl)}
}
