// Package lease keeps the leases of a store alive. A [Term] is one lease as its holder may rely
// on it: a value with pure functions. A [Renewer] has the clock and the requests.
package lease

import "time"

// State is the state of a lease. In the states before Released it can expire.
type State uint8

// The states of a lease.
const (
	Held        State = iota // due for its next refresh
	Retrying                 // due for another try, because the store failed to answer
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

// Expired is the reason of a loss that the clock decided.
const Expired = "expired"

// Term is what a holder knows of its lease. Each method but Next is an event, and returns the
// term after it; an event that cannot happen in a state changes nothing. Instants are
// durations since a moment that the caller chooses. The invariant:
//
//   - Deadline is Validity after the start of the last request that the store granted. Before
//     it nobody else has the lock, unless the store says so.
//   - From the deadline on, an event makes the term Lost. The answer to a request is no
//     exception: others may have had the lock.
//   - At most one request is under way, and from Unrefreshed on none: it could bring back
//     what is released then.
//   - Lost is final. Released becomes Lost only if the store says so.
type Term struct {
	State    State
	Deadline time.Duration // when the lease must have been refreshed
	Due      time.Duration // when the next request is due, in Held and Retrying
	Failure  error         // what the last refresh failed with, nil if it succeeded
	Loss     *Loss         // nil unless Lost
}

// Validity is how long after the start of a request the lease that it won may
// be relied on. It is a little less than the TTL: 1 % for clocks that run at
// different rates, as Redlock allows, and up to 1 ms for a timer that is late.
func Validity(ttl time.Duration) time.Duration {
	return ttl - ttl/100 - min(ttl/10, time.Millisecond)
}

// Next is when the clock next changes the term: for a request or for the deadline.
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

// Failed notes that the store failed to answer a refresh. The refresh ends with Retry, when
// the time of the next try is known. Failures of the store do not end a lease: its deadline
// does.
func (t Term) Failed(err error, now time.Duration) Term {
	if t = t.Expire(now); t.State == Renewing {
		t.Failure = err
	}
	return t.from(Stopping, Unrefreshed)
}

// Retry ends a refresh that failed at the instant failed. However long the policy would
// wait, the lease still has time for another try.
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

// Lose notes that the store says that the lease is not ours.
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
