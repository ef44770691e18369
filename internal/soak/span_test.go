package soak_test

import (
	"cmp"
	"slices"
	"time"
)

// instant is a reading of clock, in nanoseconds; 0 stands for never.
type instant int64

func (i instant) add(d time.Duration) instant   { return i + instant(d) }
func (i instant) since(j instant) time.Duration { return time.Duration(i - j) }

// span is the time from one instant to another, without the latter.
type span struct{ from, until instant }

// spans are sorted and apart from each other.
type spans []span

// union makes spans of some. It may use what it is given.
func union(some []span) spans {
	slices.SortFunc(some, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	all := spans(some[:0])
	for _, s := range some {
		switch last := len(all) - 1; {
		case s.until <= s.from:
		case last >= 0 && s.from <= all[last].until:
			all[last].until = max(all[last].until, s.until)
		default:
			all = append(all, s)
		}
	}
	return all
}

// within is what there is of the spans in s.
func (all spans) within(s span) (in spans) {
	at, _ := slices.BinarySearchFunc(all, s.from, func(s span, from instant) int { return cmp.Compare(s.until, from) })
	for ; at < len(all) && all[at].from < s.until; at++ {
		if part := (span{max(all[at].from, s.from), min(all[at].until, s.until)}); part.from < part.until {
			in = append(in, part)
		}
	}
	return in
}

// without is what there is of s outside of the spans.
func (all spans) without(s span) (out spans) {
	for _, part := range all.within(s) {
		if s.from < part.from {
			out = append(out, span{s.from, part.from})
		}
		s.from = part.until
	}
	if s.from < s.until {
		out = append(out, s)
	}
	return out
}

func (all spans) length() (d time.Duration) {
	for _, s := range all {
		d += s.until.since(s.from)
	}
	return d
}
