package lease

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestALeaseIsReliedOnForALittleLessThanItsTTL(t *testing.T) {
	t.Parallel()
	for ttl, want := range map[time.Duration]time.Duration{
		time.Millisecond:       890 * time.Microsecond,
		10 * time.Millisecond:  8900 * time.Microsecond,
		100 * time.Millisecond: 98 * time.Millisecond,
		time.Second:            989 * time.Millisecond,
		30 * time.Second:       29699 * time.Millisecond,
	} {
		assert.Equal(t, want, Validity(ttl), "of %v", ttl)
	}
}

// Every event in every state, just before the deadline and at it.
func TestTheStateOfALeaseAfterEachEvent(t *testing.T) {
	t.Parallel()
	const due, deadline, dueNext, renewed = 30 * time.Second, time.Minute, 90 * time.Second, 2 * time.Minute
	errBefore, errNow := errors.New("before"), errors.New("now")
	before, now := Loss{"before", errBefore}, Loss{"now", errNow}
	expired := Loss{Expired, errBefore}
	states := []State{Held, Retrying, Renewing, Stopping, Unrefreshed, Released, Lost}
	for name, e := range map[string]struct {
		event  func(t Term, now time.Duration) Term
		after  [7]State // one for each of the states, while the deadline has not passed
		always bool     // the clock makes no difference
	}{
		"Expire":  {Term.Expire, [7]State{Held, Retrying, Renewing, Stopping, Unrefreshed, Released, Lost}, false},
		"Send":    {Term.Send, [7]State{Renewing, Renewing, Renewing, Stopping, Unrefreshed, Released, Lost}, false},
		"Renewed": {func(t Term, now time.Duration) Term { return t.Renewed(renewed, dueNext, now) }, [7]State{Held, Retrying, Held, Unrefreshed, Unrefreshed, Released, Lost}, false},
		"Failed":  {func(t Term, now time.Duration) Term { return t.Failed(errNow, now) }, [7]State{Held, Retrying, Renewing, Unrefreshed, Unrefreshed, Released, Lost}, false},
		"Retry":   {func(t Term, now time.Duration) Term { return t.Retry(time.Second, 40*time.Second, now) }, [7]State{Held, Retrying, Retrying, Unrefreshed, Unrefreshed, Released, Lost}, false},
		"Stop":    {Term.Stop, [7]State{Unrefreshed, Unrefreshed, Stopping, Stopping, Unrefreshed, Released, Lost}, true},
		"Release": {Term.Release, [7]State{Released, Released, Released, Released, Released, Released, Lost}, false},
		"Lose":    {func(t Term, _ time.Duration) Term { return t.Lose(now) }, [7]State{Lost, Lost, Lost, Lost, Lost, Lost, Lost}, true},
	} {
		for i, was := range states {
			start := Term{State: was, Deadline: deadline, Due: due, Failure: errBefore}
			if was == Lost {
				start.Loss = &before
			}
			for _, at := range []time.Duration{deadline - 1, deadline} {
				want := start
				want.State = e.after[i]
				switch inFlight := was == Renewing || was == Stopping; {
				case was == Lost:
				case at == deadline && was != Released && !e.always:
					want.State, want.Loss = Lost, &expired
				case name == "Lose":
					want.Loss = &now
				case name == "Renewed" && inFlight:
					want.Deadline, want.Due, want.Failure = renewed, dueNext, nil
				case name == "Failed" && was == Renewing:
					want.Failure = errNow
				case name == "Retry" && was == Renewing:
					want.Due = 41 * time.Second
				}
				assert.Equal(t, want, e.event(start, at), "%s in state %d at %v", name, was, at)
			}
		}
	}
}

func TestARefreshThatFailedIsTriedAgainWhileThereIsTime(t *testing.T) {
	t.Parallel()
	const deadline = time.Minute
	for name, c := range map[string]struct{ delay, now, want time.Duration }{
		"as the policy says":            {time.Second, 10 * time.Second, 11 * time.Second},
		"after half of what is left":    {time.Hour, 20 * time.Second, 40 * time.Second},
		"but not sooner than after 1ms": {time.Hour, deadline - 1500*time.Microsecond, deadline - 500*time.Microsecond},
		"nor later than the deadline":   {time.Hour, deadline - 300*time.Microsecond, deadline},
		"a policy without delay":        {0, 10 * time.Second, 10 * time.Second},
	} {
		assert.Equal(t, c.want, Term{State: Renewing, Deadline: deadline}.Retry(c.delay, c.now, c.now).Due, name)
	}
}

func TestTheMomentAtWhichTheClockNextChangesALease(t *testing.T) {
	t.Parallel()
	for state, want := range []time.Duration{Held: 1, Retrying: 1, Renewing: 5, Stopping: 5, Unrefreshed: 5} {
		assert.Equal(t, want, Term{State: State(state), Due: 1, Deadline: 5}.Next())
		assert.Equal(t, time.Duration(5), Term{State: State(state), Due: 7, Deadline: 5}.Next(), "no later than the deadline")
	}
}
