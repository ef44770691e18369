package backingtest

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// mostWaits is how often scripts wait for a lease in real time. Scripts that would wait
// more often are left out, unless rapid needs them to shrink a failure.
const mostWaits = 6

// checkModel compares the store with the reference. In real time all scripts share a store,
// with keys of their own. Only the store knows when exactly a lease ends: while a lease may
// or may not have ended, both answers are right. A claimant asks for the same lease as long
// as it waits, and makes one request at a time that may give it the key.
func (k kit) checkModel(t *testing.T, open func(*testing.T) *probe) {
	t.Run("model: one operation after the other", func(t *testing.T) {
		t.Parallel()
		open, waits, failed := k.oncePerTest(t, open), 0, false
		rapid.Check(t, func(rt *rapid.T) {
			script := scripts.Draw(rt, "script")
			n := 0
			for _, a := range script {
				if a.name == wait {
					n++
				}
			}
			if n > 0 && waits+n > mostWaits && !k.virtual && !failed {
				return
			}
			waits += n
			var message string
			k.enter(t, func(t *testing.T) { message = open(t).follows(script) })
			if message != "" {
				failed = true
				sentence, details, _ := strings.Cut(message, "\n")
				rt.Log(details)
				rt.Fatal(sentence) // the same each time: rapid compares it
			}
		})
	})
}

// oncePerTest opens one store for all scripts, except in virtual time, where each has a
// bubble.
func (k kit) oncePerTest(t *testing.T, open func(*testing.T) *probe) func(*testing.T) *probe {
	if k.virtual {
		return open
	}
	p := open(t)
	return func(*testing.T) *probe { return p }
}

// follows returns the breach that a script shows, or "".
func (p *probe) follows(script []act) string {
	message := p.attempt(strconv.FormatUint(rand.Uint64(), 36), func(p *probe) { p.cast().follow(script, false) })
	if message == "" {
		return ""
	}
	// Checking after each operation shows a breach earlier.
	if m := p.attempt(strconv.FormatUint(rand.Uint64(), 36), func(p *probe) { p.cast().follow(script, true) }); m != "" {
		return m
	}
	return message
}

func (c *cast) follow(script []act, looks bool) {
	var possible [twoKeys][]lock
	for key := range possible {
		possible[key] = []lock{{}}
	}
	for _, a := range script {
		for _, s := range c.play(a) {
			var broken rule
			before := possible[s.key]
			possible[s.key], broken = c.judge(before, s)
			if looks && s.name != "IsLocked" && s.name != "GetHolder" {
				possible[s.key] = c.look(before, possible[s.key], s, broken)
			}
		}
	}
}

// judge returns the locks that explain the answer, and the sentence that required it.
func (c *cast) judge(possible []lock, s scene) (after []lock, because rule) {
	c.Helper()
	if after = c.explain(possible, s); len(after) > 0 {
		return after, c.allows(possible[0], s.operation)[0].rule
	}
	var want []string
	because = -1
	for _, l := range possible {
		for _, l := range l.at(s.at) {
			for _, a := range c.allows(l, s.operation) {
				want = append(want, a.String())
				if because < 0 || a.said == s.said {
					because = c.broken(l, a, s.reply)
				}
			}
		}
	}
	slices.Sort(want)
	c.breaks(because, "%s by %s answered %s, want %s", s.name, s.holder, s.reply, strings.Join(slices.Compact(want), " or "))
	return nil, 0
}

// explain returns the locks to which the answer may have led.
func (c *cast) explain(possible []lock, s scene) (after []lock) {
	for _, l := range possible {
		for _, l := range l.at(s.at) {
			for _, a := range c.allows(l, s.operation) {
				if c.broken(l, a, s.reply) < 0 {
					after = append(after, a.then.with(a, s.operation, s.reply))
				}
			}
		}
	}
	return distinct(after)
}

// broken returns the sentence that a reply breaks, or -1.
func (c *cast) broken(l lock, a allowed, r reply) rule {
	switch {
	case r.said != a.said:
		return a.rule
	case r.said != granted:
		return -1
	case a.resumed && !r.grant.Resumed && !c.mayRepeat():
		if a.rule == sameHolder {
			return a.rule
		}
		return resumedMeans
	case !a.resumed && r.grant.Resumed:
		if a.rule == passMoves {
			return passGrants
		}
		return resumedMeans
	}
	for _, h := range a.then.holders {
		unfenced := l.token == 0 && r.grant.Token == 0
		if h.holder == a.to && r.grant.Token < h.token && !unfenced {
			if a.resumed && h.token <= l.token {
				return tokenKeeps
			}
			return tokensRise
		}
	}
	return -1
}

// with adds what only the reply shows.
func (l lock) with(a allowed, o operation, r reply) lock {
	switch r.said {
	case granted:
		l.token = max(l.token, r.grant.Token)
		l.holders = slices.Clone(l.holders)
		for i, h := range l.holders {
			if h.holder == a.to {
				l.holders[i].token = r.grant.Token
			}
		}
	case queued:
		l.queue = slices.Clone(l.queue)
		for i, p := range l.queue {
			if p.holder == a.to {
				l.queue[i].by = o.at.from.Add(r.askAgain + stall) // asking takes time
			}
		}
	}
	return l
}

// look asks for the holder, and blames the last operation for a wrong one.
func (c *cast) look(before, possible []lock, s scene, because rule) (after []lock) {
	c.Helper()
	holder, some := c.consistent(c.keys[s.key])
	got := maybe{quote(holder), some}.String()
	at := span{s.at.from, time.Now()}
	var want []string
	for _, l := range possible {
		for _, l := range l.at(at) {
			if l.holder() == got {
				after = append(after, l)
			}
			want = append(want, l.holder())
		}
	}
	if len(after) > 0 {
		return distinct(after)
	}
	because = possible[0].blames(holder, because)
	if s.name == wait {
		because = before[0].overstays(holder)
	}
	slices.Sort(want)
	c.breaks(because, "the holder of the key is %s, want %s", got, strings.Join(slices.Compact(want), " or "))
	return nil
}

// blames returns the sentence that is broken if the key has a holder that it should not
// have.
func (l lock) blames(holder string, because rule) rule {
	if !slices.Contains([]rule{releaseFrees, releaseReports, yieldPolls, passToReleased}, because) {
		return because
	}
	e, left := l.end(holder)
	switch {
	case left && !e.freed:
		return releaseLeaves
	case holder != "" && !left && !l.waits(holder) && !l.has(holder):
		return notQueued
	case len(l.holders) > 0:
		return releaseHands
	default:
		return because
	}
}

// overstays is blames when only time has passed.
func (l lock) overstays(holder string) rule {
	switch {
	case len(l.holders) == 0:
		return firstIsGiven
	case l.has(holder):
		return l.holders[0].late
	default:
		return l.holders[0].early
	}
}

func distinct(all []lock) (kept []lock) {
	for _, l := range all {
		if !slices.ContainsFunc(kept, func(k lock) bool { return reflect.DeepEqual(k, l) }) {
			kept = append(kept, l)
		}
	}
	return kept
}

func (a allowed) String() string {
	switch {
	case a.said != granted:
		return a.said
	case a.resumed:
		return "a grant that is resumed"
	default:
		return "a new grant"
	}
}
