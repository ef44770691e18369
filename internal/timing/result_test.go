package timing_test

import (
	"fmt"
	"slices"
	"time"

	"github.com/effectlock/effectlock/mutex"
)

// result is what a fault led to.
type result struct {
	account
	claim
	blind   bool
	resumed time.Time // if the process of the holder was stopped
}

// gap is from the moment at which another could have the lock to the end of what
// counts of the work. There is none if the lock was lost, and the work did not care.
func (r result) gap() (time.Duration, bool) {
	switch {
	case r.Reason == "":
		return r.Ended.Sub(r.could), true
	case r.blind:
		return 0, false
	}
	return r.Last.Sub(r.could), true
}

// said is the time from then to when the lock said that its lease had expired, or
// for a process that was stopped from when it went on.
func (r result) said() (time.Duration, bool) {
	if r.Reason != mutex.Expired {
		return 0, false
	}
	since := r.could
	if r.resumed.After(since) && r.Lost.After(r.resumed) {
		since = r.resumed
	}
	return r.Lost.Sub(since), true
}

// spread describes a distribution.
func spread(all []result, of func(result) (time.Duration, bool)) string {
	var measured []time.Duration
	for _, r := range all {
		if d, ok := of(r); ok {
			measured = append(measured, d)
		}
	}
	if len(measured) == 0 {
		return "none"
	}
	slices.Sort(measured)
	at := func(percent int) time.Duration {
		return measured[(len(measured)-1)*percent/100].Round(10 * time.Microsecond)
	}
	return fmt.Sprintf("%d: min %v, p1 %v, p50 %v, p99 %v, max %v", len(measured), at(0), at(1), at(50), at(99), at(100))
}
