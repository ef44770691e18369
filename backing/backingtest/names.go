package backingtest

import (
	"fmt"
	"sync"
)

// Names are those under which the claimants of a script act. The contract forbids a new
// request of a claim that has been released, or is being released: a claimant that comes
// back has another name.
type names struct {
	mu       sync.Mutex
	again    [twoKeys][claimants]int // how often it came back
	released [twoKeys][claimants]bool
	asking   [twoKeys][claimants]int // requests under way that may give it the key
	ending   [twoKeys][claimants]int // and those that take it away
	passed   [twoKeys]roles          // in the last Pass that was not refused
}

// Roles are the claimant that asks, and the one to which it would pass the key.
type roles struct{ holder, next string }

// begin returns who takes part in an act, and false if that would break the contract. A late
// request is one of a claim that has been released. Nobody asks twice at once.
func (n *names) begin(a act, late bool) (r roles, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	r.holder = n.of(a.key, a.who)
	switch a.name {
	case "TryAcquire", "Enqueue":
		if n.busy(a.key, a.who) {
			return r, false
		}
		if !late {
			r.holder = n.fresh(a.key, a.who)
		}
		n.asking[a.key][a.who]++
	case "Release", "ReleaseClaim":
		if n.asking[a.key][a.who] > 0 {
			return r, false
		}
		n.ending[a.key][a.who]++
		n.released[a.key][a.who] = true
	case "Pass", passOver:
		if a.next == a.who {
			a.next = (a.who + 1) % claimants
		}
		if before := n.passed[a.key]; a.name == passOver && before.next != "" {
			r = before
			a.who, a.next = whose(r.holder), whose(r.next)
		}
		if n.asking[a.key][a.who] > 0 || n.busy(a.key, a.next) {
			return r, false
		}
		switch {
		case r.next != "":
		case late:
			r.next = n.of(a.key, a.next)
		default:
			r.next = n.fresh(a.key, a.next)
		}
		n.ending[a.key][a.who]++
		n.asking[a.key][a.next]++
	}
	return r, true
}

// end follows each act that began.
func (n *names) end(a act, r roles, said string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	who := whose(r.holder)
	switch a.name {
	case "TryAcquire", "Enqueue":
		n.asking[a.key][who]--
	case "Release", "ReleaseClaim":
		n.ending[a.key][who]--
	case "Pass", passOver:
		n.ending[a.key][who]--
		n.asking[a.key][whose(r.next)]--
		if said != refused {
			n.passed[a.key] = r
			n.released[a.key][who] = n.released[a.key][who] || n.of(a.key, who) == r.holder
		}
	}
}

// busy reports whether the claimant cannot ask for the key now.
func (n *names) busy(key, who int) bool { return n.asking[key][who]+n.ending[key][who] > 0 }

func (n *names) of(key, who int) string { return fmt.Sprintf("%c%d", 'a'+who, n.again[key][who]) }

func (n *names) nameOf(key, who int) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.of(key, who)
}

func (n *names) fresh(key, who int) string {
	if n.released[key][who] {
		n.again[key][who]++
		n.released[key][who] = false
	}
	return n.of(key, who)
}

func whose(name string) int { return int(name[0] - 'a') }
