package backingtest

import (
	"fmt"
	"time"

	"github.com/effectlock/effectlock/backing"
)

// A cast plays scripts.
type cast struct {
	*probe
	reference
	keys    [twoKeys]string
	patient bool // leases are so long that none runs out
	*names
}

// A scene is what one operation asked of one key, and the answer.
type scene struct {
	operation
	key int
	reply
}

// A reply is what the store answered.
type reply struct {
	said     string
	grant    backing.Grant
	askAgain time.Duration
}

func (p *probe) cast() *cast {
	c := &cast{probe: p, reference: reference{p.queue != nil, refusesReleased(p), p.unanswered}, names: new(names)}
	for i := range c.keys {
		c.keys[i] = p.key(fmt.Sprint("k", i))
	}
	return c
}

// by is the same cast on another goroutine.
func (c *cast) by(p *probe) *cast { return &cast{p, c.reference, c.keys, c.patient, c.names} }

// play sends the act to the store, and returns what each key saw of it: nothing if the act
// would break the contract.
func (c *cast) play(a act) (all []scene) {
	a.name = c.offered(a.name)
	if a.name == wait {
		return c.letPass(a.short)
	}
	r, ok := c.begin(a, a.late && c.refuses)
	if !ok {
		return nil
	}
	o := operation{name: a.name, holder: r.holder, next: r.next, yield: a.yield, ttl: long}
	if c.isShort(a, r) {
		o.ttl = c.ttl
	}
	if a.name == "RefreshAll" {
		return c.refreshEach(o, a.who)
	}
	o.at.from = time.Now()
	said := c.answer(&o, c.keys[a.key])
	o.at.to = time.Now()
	c.end(a, r, said.said)
	return []scene{{o, a.key, said}}
}

// isShort reports whether the script lets the lease run out. A waiting claimant asks for
// the same lease each time.
func (c *cast) isShort(a act, r roles) bool {
	switch {
	case c.patient:
		return false
	case r.next != "":
		return whose(r.next) == 0
	case a.name == "Enqueue":
		return a.who == 0
	default:
		return a.short
	}
}

func (c *cast) answer(o *operation, key string) reply {
	claim := backing.Claim{Key: key, Holder: o.holder, TTL: o.ttl}
	switch o.name {
	case "TryAcquire":
		if g, ok := c.tryClaim(claim); ok {
			return reply{said: granted, grant: g}
		}
		return reply{said: none}
	case "Refresh":
		return reply{said: fmt.Sprint(c.refreshClaim(claim))}
	case "Release":
		return reply{said: fmt.Sprint(c.release(key, o.holder))}
	case "ReleaseClaim":
		return reply{said: c.releaseClaim(claim).String()}
	case "IsLocked":
		return reply{said: fmt.Sprint(c.locked(key))}
	case "Enqueue":
		return replyOf(c.enqueue(c.claimantOf(claim)))
	case "Pass", passOver:
		o.name = "Pass"
		next := c.claimantOf(backing.Claim{Key: key, Holder: o.next, TTL: o.ttl})
		return replyOf(c.passClaim(claim, next, o.yield))
	default:
		holder, some := c.holder(key)
		return reply{said: maybe{quote(holder), some}.String()}
	}
}

func (c *cast) refreshEach(o operation, who int) (all []scene) {
	var claims []backing.Claim
	for key := range c.keys {
		claims = append(claims, backing.Claim{Key: c.keys[key], Holder: c.nameOf(key, who), TTL: o.ttl})
	}
	o.at.from = time.Now()
	answers := c.refreshAll(claims)
	o.at.to = time.Now()
	if len(answers) != len(claims) {
		c.breaks(refreshAllEach, "%d claims have %d answers", len(claims), len(answers))
	}
	for key, a := range answers {
		o.holder = claims[key].Holder
		all = append(all, scene{o, key, reply{said: fmt.Sprint(a.Held)}})
	}
	return all
}

// letPass waits until every short lease is over, or until only one that has just begun is
// not.
func (c *cast) letPass(short bool) (all []scene) {
	pause := c.ttl + c.ttl/3
	if short {
		pause = c.ttl - c.ttl/5
	}
	time.Sleep(pause)
	for key := range c.keys {
		all = append(all, scene{operation{name: wait, at: span{time.Now(), time.Now()}}, key, reply{}})
	}
	return all
}

// offered returns the name of an operation that the store has.
func (c *cast) offered(name string) string {
	switch {
	case name == "Enqueue" && c.queue == nil:
		return "TryAcquire"
	case (name == "Pass" || name == passOver) && c.passer == nil, name == "ReleaseClaim" && c.releaser == nil:
		return "Release"
	case name == "RefreshAll" && c.batcher == nil:
		return "Refresh"
	default:
		return name
	}
}

func replyOf(o backing.Outcome) reply {
	switch o := o.(type) {
	case backing.Granted:
		return reply{said: granted, grant: o.Grant}
	case backing.Queued:
		return reply{said: queued, askAgain: o.AskAgain}
	case backing.MustPoll:
		return reply{said: mustPoll}
	default:
		return reply{said: refused}
	}
}

func (r reply) String() string {
	if r.said == granted {
		return fmt.Sprintf("%s (%v)", r.said, grant(r.grant))
	}
	return r.said
}

func (o operation) String() string {
	if o.next != "" {
		return fmt.Sprintf("%s(from %s, to %s, %v, yield %t)", o.name, quote(o.holder), quote(o.next), o.ttl, o.yield)
	}
	return fmt.Sprintf("%s(%s, %v)", o.name, quote(o.holder), o.ttl)
}
