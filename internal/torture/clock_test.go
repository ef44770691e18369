package torture_test

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// instant is a reading of CLOCK_MONOTONIC in nanoseconds, which all processes of a
// machine share. The time package reads that clock too, but shows it only relative to the
// start of the process; the wall clock, which it does show, may be set while a test runs.
// The zero instant means never.
type instant int64

func now() instant {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic(fmt.Sprintf("CLOCK_MONOTONIC: %v", err))
	}
	return instant(ts.Nano())
}

func (i instant) add(d time.Duration) instant         { return i + instant(d) }
func (i instant) since(earlier instant) time.Duration { return time.Duration(i - earlier) }

// span is the time from one instant until just before another.
type span struct{ From, Until instant }

func (s span) length() time.Duration { return s.Until.since(s.From) }

// meets reports whether the two have an instant in common, the last included.
func (s span) meets(from, until instant) bool { return s.From <= until && from <= s.Until }

// spans are sorted and disjoint.
type spans []span

// union merges spans. It may overwrite its argument.
func union(some []span) spans {
	slices.SortFunc(some, func(a, b span) int { return cmp.Compare(a.From, b.From) })
	all := spans(some[:0])
	for _, s := range some {
		switch last := len(all) - 1; {
		case s.Until <= s.From:
		case last >= 0 && s.From <= all[last].Until:
			all[last].Until = max(all[last].Until, s.Until)
		default:
			all = append(all, s)
		}
	}
	return all
}

// within returns the parts of the spans that are in s.
func (all spans) within(s span) (in spans) {
	at, _ := slices.BinarySearchFunc(all, s.From, func(s span, from instant) int { return cmp.Compare(s.Until, from) })
	for ; at < len(all) && all[at].From < s.Until; at++ {
		if part := (span{max(all[at].From, s.From), min(all[at].Until, s.Until)}); part.From < part.Until {
			in = append(in, part)
		}
	}
	return in
}

// without returns the parts of s that are outside the spans.
func (all spans) without(s span) (out spans) {
	for _, part := range all.within(s) {
		if s.From < part.From {
			out = append(out, span{s.From, part.From})
		}
		s.From = part.Until
	}
	if s.From < s.Until {
		out = append(out, s)
	}
	return out
}

func (all spans) length() (d time.Duration) {
	for _, s := range all {
		d += s.length()
	}
	return d
}
