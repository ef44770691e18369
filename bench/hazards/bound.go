package main

import (
	"context"
	"crypto/rand"
	"testing"
	"time"

	"github.com/effectlock/effectlock/internal/redistest"
)

// bound is the longest time that a call takes after a fault has begun: one figure of the
// table.
type bound struct {
	fault     fault
	call      call
	library   library
	impatient bool
	within    time.Duration // the caller's deadline; 0: none
}

const (
	repeats   = 3           // how often a call is made in each way
	aftermath = time.Second // how long after the fault a lock counts as left behind
)

// figure is the result for a bound.
type figure struct {
	longest time.Duration
	endless bool // a call had not ended at the cut-off
	left    bool // a call left a lock behind
	failed  any  // why there is no figure
}

// measure makes the calls, and gives them up at the cut-off. It calls turn when everything
// is ready; turn returns when the fault may begin.
func (b bound) measure(ctx context.Context, owner testing.TB, shared *redistest.Server, cutOff time.Duration, turn func()) (f figure) {
	defer func() {
		if p := recover(); p != nil {
			f.failed = p
		}
	}()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := &stage{library: b.library, Context: ctx, server: shared, owner: owner}
	ready, begin := make(chan struct{}), make(chan struct{})
	attempts := b.attempts(s)
	turn()

	ended := make(chan *attempt, len(attempts))
	for n, a := range attempts {
		a.ready, a.begin = ready, begin
		go func() {
			b.call.ways[n%len(b.call.ways)](a, ctx)
			ended <- a
		}()
	}
	for range attempts {
		select {
		case <-ready:
		case <-ended:
			panic("no lock that could be released")
		}
	}
	b.fault.begin(s)
	close(begin)
	enough := time.After(cutOff)
	for range attempts {
		select {
		case a := <-ended:
			f.longest = max(f.longest, a.took)
			continue
		case <-enough:
		}
		b.fault.heal(s)
		return figure{endless: true} // calls under way end with their context or their client
	}
	b.fault.heal(s)
	time.Sleep(aftermath)
	for _, a := range attempts {
		n, err := s.direct.Exists(s, a.stored(a.key)).Result()
		check(err)
		f.left = f.left || n == 1 && (a.failed || b.call.frees)
	}
	return f
}

// attempts connects the library with the server or, if the fault is the network's,
// with a proxy of its own, once for each call.
func (b bound) attempts(s *stage) (all []*attempt) {
	if b.fault.server { // it comes back with its data
		s.server = redistest.Start(s.owner, "--appendonly", "yes", "--appendfsync", "always")
	}
	addr := s.server.Addr()
	if !b.fault.server {
		s.proxy = redistest.NewProxy(s.owner, addr)
		addr = s.proxy.Addr()
	}
	s.direct = s.server.Client(s.owner)
	for range repeats * len(b.call.ways) {
		c, err := s.open(setting{addr: addr, ttl: long, impatient: b.impatient})
		check(err)
		s.owner.Cleanup(c.close)
		a := &attempt{client: c, key: rand.Text(), within: b.within}
		check(held(s, c, a.key, func() {})) // now it is connected, and the server knows the scripts
		all = append(all, a)
	}
	return all
}
