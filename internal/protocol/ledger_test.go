package protocol_test

import (
	"fmt"
	"slices"
	"strings"
)

// A ledger is what the scripts must do to one lock, in a few lines of Go.
type ledger struct {
	holder   string
	reserved bool              // for the holder, which was woken and has not yet asked
	queue    []entry           // in order of arrival
	released map[string]string // by process: the last release that it asked for
	late     map[string]bool   // claims whose requests must be refused
	alive    func(holder string) bool
}

// An entry is a holder that waits, or that was passed over.
type entry struct {
	holder string
	passed bool
}

// outcome is what an operation must have done, besides changing the ledger.
type outcome struct {
	answer    string
	woken     string // the receiver of a message
	published int
	mayProbe  bool // it may publish one more message, which means nothing
}

const (
	isGranted    = "granted"
	isResumed    = "resumed"
	isQueued     = "queued"
	mustPoll     = "must poll"
	isRefused    = "refused"
	isHeld       = "held"
	notHeld      = "not held"
	freedNow     = "freed now"
	freedEarlier = "freed earlier"
)

func (l *ledger) give(to string) outcome {
	if l.holder == to {
		l.reserved = false
		return outcome{answer: isResumed}
	}
	l.holder, l.reserved = to, false
	return outcome{answer: isGranted}
}

// join adds a holder at the end, or gives it back its old place.
func (l *ledger) join(holder string) {
	for i, e := range l.queue {
		if e.holder == holder {
			l.queue[i].passed = false
			return
		}
	}
	l.queue = append(l.queue, entry{holder: holder})
}

func (l *ledger) leave(holder string) {
	l.queue = slices.DeleteFunc(l.queue, func(e entry) bool { return e.holder == holder })
}

func (l *ledger) has(holder string) bool {
	return slices.ContainsFunc(l.queue, func(e entry) bool { return e.holder == holder })
}

// waiting returns the holders that wait, or those that were passed over.
func (l *ledger) waiting(passed bool) []string {
	holders := []string{}
	for _, e := range l.queue {
		if e.passed == passed {
			holders = append(holders, e.holder)
		}
	}
	return holders
}

// serve reserves a free lock for the first in the queue whose process lives. The asker
// is granted the lock instead, and needs no message.
func (l *ledger) serve(asker string) (o outcome) {
	for _, first := range l.waiting(false) {
		if first == asker {
			l.leave(first)
			given := l.give(first)
			o.answer = given.answer
			return o
		}
		o.published++
		if l.alive(first) {
			l.leave(first)
			l.holder, l.reserved, o.woken = first, true, first
			return o
		}
		l.queue[slices.Index(l.queue, entry{holder: first})].passed = true
	}
	return o
}

func (l *ledger) free() { l.holder, l.reserved = "", false }

func (l *ledger) tryAcquire(claim, holder string) outcome {
	switch {
	case l.late[claim]:
		return outcome{answer: isRefused}
	case l.holder == "" || l.holder == holder:
		return l.give(holder)
	}
	return outcome{answer: isRefused}
}

func (l *ledger) enqueue(claim, holder string) outcome {
	switch {
	case l.late[claim]:
		return outcome{answer: isRefused}
	case l.holder == holder, l.holder == "" && len(l.queue) == 0:
		l.leave(holder)
		return l.give(holder)
	}
	l.join(holder)
	o := outcome{}
	if l.holder == "" {
		o = l.serve(holder)
	}
	if o.answer == "" {
		o.answer, o.mayProbe = isQueued, true
	}
	return o
}

func (l *ledger) refresh(holder string) outcome {
	if l.holder == holder {
		return outcome{answer: isHeld}
	}
	return outcome{answer: notHeld}
}

func (l *ledger) release(process, claim, holder string) outcome {
	memory := l.released[process]
	before := memory == claim || strings.HasPrefix(memory, handover(claim, ""))
	l.leave(holder)
	switch {
	case l.holder == holder && (!before || claim == holder): // otherwise the holder has it from a later claim
		l.free()
		l.released[process] = claim
		o := l.serve("")
		o.answer = freedNow
		return o
	case before, memory == holder:
		return outcome{answer: freedEarlier}
	}
	return outcome{answer: notHeld}
}

// handover is the store's memory of a pass.
func handover(from, to string) string { return fmt.Sprintf(">%d %s%s", len(from), from, to) }

// pass is a request from the process of to.
func (l *ledger) pass(process, from, claim, to string, yield bool) outcome {
	switch {
	case l.holder != from && l.released[process] != handover(from, to):
		return outcome{answer: isRefused}
	case l.holder == to: // a repeat
		l.leave(to)
		return l.give(to)
	case l.holder != from && yield && l.has(to): // likewise
		return outcome{answer: isQueued}
	case l.holder != from:
		return outcome{answer: mustPoll}
	}
	l.free()
	l.released[process] = handover(from, to)
	switch {
	case l.late[claim]:
		l.leave(to)
		o := l.serve("")
		o.answer = mustPoll
		return o
	case yield && len(l.queue) > 0:
		l.join(to)
		o := l.serve(to)
		if o.answer == "" {
			o.answer = isQueued
		}
		return o
	}
	l.leave(to)
	return l.give(to)
}
