package backingtest

import (
	"slices"
	"time"

	"github.com/effectlock/effectlock/backing"
)

// A reference says what a store may answer. It is the contract as a program: a key is free
// or has a holder with a lease, others wait for it in order, and releases are remembered.
type reference struct {
	queues  bool
	refuses bool // requests of a claim that was released
	forgets bool // a release whose answer has arrived
}

// An allowed answer, the sentence that requires it, and the lock that results from it.
type allowed struct {
	rule    rule
	said    string
	then    lock
	to      string // the claimant that is granted the key or queued
	resumed bool
}

// The words of answers.
const (
	none, yes, no             = "None", "true", "false"
	granted                   = "a grant"
	queued, mustPoll, refused = "Queued", "MustPoll", "Refused"
)

// allows returns every correct answer to o in the state l. There are several where the
// contract leaves a choice, and where only the store knows what it remembers.
func (r reference) allows(l lock, o operation) []allowed {
	free, has := len(l.holders) == 0, l.has(o.holder)
	switch o.name {
	case "TryAcquire":
		answers := says(freeIsGiven, none, l)
		switch {
		case has:
			answers = l.resume(o.holder, o, sameHolder)
		case free && len(l.queue) > 0:
			answers = l.grant(o.holder, o, tryBarges)
		case free:
			answers = l.grant(o.holder, o, freeIsGiven)
		}
		return r.unlessLate(o.holder, l, o, answers, says(lateIsRefused, none, l))
	case "Enqueue":
		line := l.join(o.holder, o.ttl)
		answers := slices.Concat(queues(enqueueWaits, o.holder, line), l.polls(notQueued, o.holder, o))
		switch {
		case has:
			answers = l.resume(o.holder, o, enqueueTakes)
		case free && line.queue[0].holder == o.holder:
			answers = l.grant(o.holder, o, enqueueTakes)
		case free:
			answers = slices.Concat(queues(firstIsGiven, o.holder, line.serve(o.at)), l.polls(notQueued, o.holder, o))
		}
		return r.unlessLate(o.holder, l, o, answers, says(enqueueLate, refused, l))
	case "Pass":
		if has {
			return r.passes(l.free(o.holder, o.next, o), o)
		}
		return r.passesAgain(l, o)
	case "Release":
		return r.releases(l, o, [3]rule{releaseFrees, releaseTwice, releaseElse}, [3]string{yes, yes, no})
	case "ReleaseClaim":
		return r.releases(l, o, [3]rule{releaseReports, freedBefore, foundNothing},
			[3]string{backing.FreedNow.String(), backing.FreedEarlier.String(), backing.NotHeld.String()})
	case "Refresh", "RefreshAll":
		extends, changesNothing := refreshExtends, refreshElse
		if o.name == "RefreshAll" {
			extends, changesNothing = refreshAllEach, refreshAllEach
		}
		if has {
			return says(extends, yes, l.resume(o.holder, o, extends)[0].then)
		}
		return says(changesNothing, no, l)
	case "IsLocked":
		return says(isLocked, map[bool]string{true: no, false: yes}[free], l)
	case "GetHolder":
		return says(getHolder, l.holder(), l)
	default: // time passes
		return says(ttlRuns, "", l)
	}
}

// passes returns the answers to a Pass of a key that has been freed.
func (r reference) passes(l lock, o operation) []allowed {
	answers, line := l.grant(o.next, o, passMoves), l.join(o.next, o.ttl)
	switch {
	case o.yield && !r.queues:
		answers = l.polls(yieldPolls, o.next, o)
	case o.yield && line.queue[0].holder != o.next:
		answers = slices.Concat(queues(passYields, o.next, line.serve(o.at)), l.polls(yieldPolls, o.next, o))
	case o.yield:
		answers = slices.Concat(answers, l.polls(yieldPolls, o.next, o))
	}
	return r.unlessLate(o.next, l, o, answers, says(passToReleased, mustPoll, l.serve(o.at)))
}

// passesAgain returns the answers to a Pass by a claim that does not have the key.
func (r reference) passesAgain(l lock, o operation) (answers []allowed) {
	before, _ := l.end(o.holder)
	switch {
	case before.next != o.next:
		return says(passElse, refused, l)
	case l.has(o.next):
		answers = l.resume(o.next, o, passAgain)
	case l.waits(o.next):
		answers = slices.Concat(queues(passAgain, o.next, l), l.polls(passAgain, o.next, o))
	default:
		answers = says(passAgain, mustPoll, l)
	}
	if r.forgotten(before, o) {
		answers = append(answers, says(passAgain, refused, l)...)
	}
	return answers
}

// releases returns the answers to a release that frees the key, was answered before, or
// finds nothing.
func (r reference) releases(l lock, o operation, rules [3]rule, words [3]string) []allowed {
	before, again := l.end(o.holder)
	switch then := l.without(o.holder).remember(ended{o.holder, "", false, o.at.from.Add(backing.ReleaseMemory)}); {
	case l.has(o.holder):
		return says(rules[0], words[0], l.free(o.holder, "", o).serve(o.at))
	case again && before.freed && r.forgotten(before, o):
		return slices.Concat(says(rules[1], words[1], then), says(rules[1], words[2], then))
	case again && before.freed:
		return says(rules[1], words[1], then)
	default:
		return says(rules[2], words[2], then)
	}
}

// unlessLate returns answers, or the late ones if the claim of holder has been released.
func (r reference) unlessLate(holder string, l lock, o operation, answers, late []allowed) []allowed {
	switch e, released := l.end(holder); {
	case !released:
		return answers
	case r.refuses && !r.forgotten(e, o):
		return late
	default:
		return slices.Concat(answers, late)
	}
}

// forgotten reports whether the store may have forgotten a release.
func (r reference) forgotten(e ended, o operation) bool { return r.forgets || !o.at.to.Before(e.until) }

func says(r rule, word string, then lock) []allowed { return []allowed{{r, word, then, "", false}} }

func queues(r rule, holder string, then lock) []allowed {
	return []allowed{{r, queued, then, holder, false}}
}

// polls returns the answer to a claimant that cannot be woken. The store may keep its
// place.
func (l lock) polls(r rule, holder string, o operation) []allowed {
	return slices.Concat(says(r, mustPoll, l.without(holder).serve(o.at)), says(r, mustPoll, l.serve(o.at)))
}

// grant makes a new grant.
func (l lock) grant(holder string, o operation, r rule) []allowed {
	early, late := ttlRuns, expiredIsFree
	if r == passMoves {
		early, late = passGrants, passGrants
	}
	h := lease{holder, l.token + 1, o.at.lasting(o.ttl, o.ttl), early, late}
	return []allowed{{r, granted, l.give(h), holder, false}}
}

// resume makes the lease of a holder run from now.
func (l lock) resume(holder string, o operation, r rule) []allowed {
	i := slices.IndexFunc(l.holders, func(h lease) bool { return h.holder == holder })
	h := lease{holder, l.holders[i].token, o.at.lasting(o.ttl, o.ttl), r, r}
	return []allowed{{r, granted, l.give(h), holder, true}}
}

// An operation was applied to one key, at some moment within at.
type operation struct {
	name   string
	holder string
	next   string // of Pass, as is yield
	yield  bool
	ttl    time.Duration
	at     span
}
