package soak_test

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// slow is how much later a timer may fire in a process that does not stand still.
const slow = 200 * time.Millisecond

// checkExclusion looks for two who were inside at a time.
//
// A section that succeeded excuses nothing. One that was lost excuses an overlap
// with its successor, the one with the higher token, if
//
//   - the lease expired, and the work's context ended, or the process was killed,
//     before it had been active for longer than a timer may be late: it was
//     stopped for longer than its lease, or the machine had too much to do
//   - the test had deleted the lock under it by then
//
// That the store dropped the lock, or gave it to another, is no excuse: it is the
// fault looked for.
func (h *history) checkExclusion() {
	for _, attempts := range h.keys {
		all := sections(attempts)
		for i, a := range all {
			for _, b := range all[i+1:] {
				if b.Enter >= a.inside().until {
					if b.Enter >= a.Leave {
						break
					}
					continue
				}
				h.checkOverlap(a, b)
			}
		}
	}
}

// checkOverlap judges two sections of which b entered while a was inside.
func (h *history) checkOverlap(a, b attempt) {
	both := span{b.Enter, min(a.inside().until, b.inside().until)}
	old, young := a, b
	if young.Token < old.Token {
		old, young = young, old
	}
	f, deleted := h.deletion(old)
	active := h.active(old.process, both)
	ended := old.Outcome == expired || old.killed && both.from >= old.Want.add(time.Duration(old.TTL)*time.Millisecond)
	switch {
	case both.until <= both.from, deleted && f.from <= both.from:
	case ended && active <= slow: // its lease had; a timer may be late
	default:
		h.violated("two are inside", "for %v, of which %v active\n\t%v\n\t%v\n\t%q", both.until.since(both.from), active, old, young, h.near(both))
	}
}

// checkTokens sees that each grant has a token of its own, and a higher one than
// all who entered before it was asked for; and that sections of which none was lost
// have tokens in their order.
func (h *history) checkTokens() {
	for _, attempts := range h.keys {
		all := sections(attempts)
		var last attempt
		for _, a := range all {
			if a.Outcome.lost() || a.killed {
				continue
			}
			if _, deleted := h.deletion(a); deleted {
				continue
			}
			if a.Token <= last.Token {
				h.violated("a token is not higher than the one before", "\n\t%v\n\t%v", last, a)
			}
			last = a
		}
		slices.SortStableFunc(all, func(a, b attempt) int { return cmp.Compare(b.Token, a.Token) })
		first := instant(math.MaxInt64) // to enter of those with higher tokens
		for i, a := range all {
			switch {
			case i > 0 && a.Token == all[i-1].Token:
				h.violated("two have one token", "\n\t%v\n\t%v", a, all[i-1])
			case first < a.Want:
				h.violated("a token is lower than one before", "%v, but a higher one entered at %.3f", a, sec(first))
			}
			first = min(first, a.Enter)
		}
	}
}
