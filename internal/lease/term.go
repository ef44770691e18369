// Package lease keeps the leases of a store alive. A [Term] says what the holder of one lease
// may rely on; it is a value with pure methods. A [Renewer] has the clock and sends the
// requests.
package lease

import "time"

// State is the state of a lease. In the states before Released it can expire.
type State uint8

// The states of a lease.
const (
	Held        State = iota // the next refresh is due later
	Retrying                 // the store failed to answer, and another try is due later
	Renewing                 // a request is under way
	Stopping                 // a request is under way, and none will follow
	Unrefreshed              // no request is under way, and none will follow
	Released                 // released, or about to be
	Lost
)

// Loss says why a lease was lost.
type Loss struct {
	Reason string // Expired, or the reason that the owner found
	Cause  error  // the last failure of the store, or nil
}

// Expired is the reason when the deadline has passed.
const Expired = "expired"

// Term is what a holder knows about its lease. Each method except Next is an event, and
// returns the term after it; an event that cannot happen in a state changes nothing. Instants
// are durations since a moment that the caller chooses. The invariant:
//
//   - Deadline is Validity after the start of the last request that the store granted. Before
//     it nobody else has the lock, unless the store says so.
//   - From the deadline on, any event makes the term Lost. The answer to a request is no
//     exception: others may have had the lock.
//   - At most one request is under way, and none from Unrefreshed on: it could bring back
//     a lease that is then released.
//   - Lost is final. Released becomes Lost only if the store says so.
type Term struct {
	State    State
	Deadline time.Duration // by when the lease must be refreshed
	Due      time.Duration // when the next request is due, in Held and Retrying
	Failure  error         // the error of the last refresh, nil if it succeeded
	Loss     *Loss         // nil unless Lost
}

// Validity returns how long a lease may be relied on, from the start of the request
// that won it. It is less than the TTL by 1 % for clocks that run at different rates,
// as Redlock allows, and by up to 1 ms for a timer that is late.
func Validity(ttl time.Duration) time.Duration {
	return ttl - ttl/100 - min(ttl/10, time.Millisecond)
}

// Next returns when the clock next changes the term: for a request or for the deadline.
func (t Term) Next() time.Duration {
	if t.State == Held || t.State == Retrying {
		return min(t.Due, t.Deadline)
	}
	return t.Deadline
}

// Expire makes the term Lost if its deadline has passed.
func (t Term) Expire(now time.Duration) Term {
	if t.State < Released && now >= t.Deadline {
		return t.Lose(Loss{Expired, t.Failure})
	}
	return t
}

// Send begins a refresh.
func (t Term) Send(now time.Duration) Term {
	return t.Expire(now).from(Held, Renewing).from(Retrying, Renewing)
}

// Renewed ends a refresh that the store granted.
func (t Term) Renewed(deadline, due, now time.Duration) Term {
	if t = t.Expire(now); t.inFlight() {
		t.Deadline, t.Due, t.Failure = deadline, due, nil
	}
	return t.from(Renewing, Held).from(Stopping, Unrefreshed)
}

// Failed records that the store failed to answer a refresh. The refresh ends with Retry, once
// the time of the next try is known. Failures of the store do not end a lease: its deadline
// does.
func (t Term) Failed(err error, now time.Duration) Term {
	if t = t.Expire(now); t.State == Renewing {
		t.Failure = err
	}
	return t.from(Stopping, Unrefreshed)
}

// Retry ends a refresh that failed at the instant failed. However long the policy would
// wait, there is time for another try before the deadline.
func (t Term) Retry(delay, failed, now time.Duration) Term {
	if t = t.Expire(now); t.State == Renewing {
		left := t.Deadline - failed
		t.Due = failed + min(delay, max(left/2, time.Millisecond), left)
	}
	return t.from(Renewing, Retrying).from(Stopping, Unrefreshed)
}

// Stop ends the refreshing, once the request under way has ended.
func (t Term) Stop(time.Duration) Term {
	return t.from(Held, Unrefreshed).from(Retrying, Unrefreshed).from(Renewing, Stopping)
}

// Release begins the release, unless the deadline has passed. From here on the lease cannot
// expire.
func (t Term) Release(now time.Duration) Term {
	if t = t.Expire(now); t.State != Lost {
		t.State = Released
	}
	return t
}

// Lose records that, according to the store, the lease is not ours.
func (t Term) Lose(loss Loss) Term {
	if t.State != Lost {
		t.State, t.Loss = Lost, &loss
	}
	return t
}

func (t Term) inFlight() bool { return t.State == Renewing || t.State == Stopping }

func (t Term) from(before, after State) Term {
	if t.State == before {
		t.State = after
	}
	return t
}
