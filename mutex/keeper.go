package mutex

import (
	"sync"
	"time"

	"github.com/effectlock/effectlock/backing"
)

// keeper keeps the leases of one store alive that have the same TTL and
// refresh interval: all by one timer, and those that are due at about the same
// time with one request, if the store can do that. A goroutine runs only while a
// request is under way.
type keeper struct {
	store    backing.Backing
	batcher  backing.Batcher // nil if the store refreshes one by one
	interval time.Duration   // between two refreshes of a lease
	timeout  time.Duration   // of one request
	epoch    time.Time

	mu      sync.Mutex
	healthy roster // due for their next refresh
	ailing  roster // due for another try, because the store failed to answer
	doomed  roster // no longer refreshed, and due to expire
	timer   *time.Timer
	alarm   time.Time // when the timer fires; zero if it is not set
}

// kept tells which leases share a keeper.
type kept struct {
	store         backing.Backing
	ttl, interval time.Duration
}

var keepers interned[kept, keeper]

func newKeeper(store backing.Backing, batcher backing.Batcher, s settings) *keeper {
	return &keeper{
		store: store, batcher: batcher,
		interval: s.refreshInterval, timeout: s.operationTimeout, epoch: time.Now(),
	}
}

// maxBatch bounds how many leases one request refreshes: for as long as it
// takes, a server does nothing else.
const maxBatch = 250

// slack is how much earlier than due a lease is refreshed, to share a request.
func (k *keeper) slack() time.Duration { return max(k.interval/50, 1) }

// keep refreshes the lease from the time due on.
func (k *keeper) keep(l *lease, due time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if l.stopping { // its scope has closed already
		k.add(&k.doomed, l, l.until())
		l.fiber.Stopped()
		return
	}
	since := due.Sub(k.epoch)
	k.add(&k.healthy, l, k.epoch.Add(since-since%k.slack()))
}

func (k *keeper) add(r *roster, l *lease, due time.Time) {
	r.add(l, due)
	k.wakeBy(due)
}

func (k *keeper) wakeBy(due time.Time) {
	if !k.alarm.IsZero() && !due.Before(k.alarm) {
		return
	}
	k.alarm = due
	if k.timer == nil {
		k.timer = time.AfterFunc(time.Until(due), k.wake)
		return
	}
	k.timer.Reset(time.Until(due))
}

// wake sees to all leases that are due.
func (k *keeper) wake() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.alarm = time.Time{}
	now := time.Now()
	for _, r := range []*roster{&k.healthy, &k.ailing} {
		for f := k.depart(r, now); f != nil; f = k.depart(r, now) {
			go k.refresh(f)
		}
	}
	for l, due := k.doomed.next(); l != nil && !now.Before(due); l, due = k.doomed.next() {
		l.strike()
		go func() { _ = l.lossBy(now) }() // which may ask a context of the caller's own type, and so not under a mutex
	}
	for _, r := range []*roster{&k.healthy, &k.ailing, &k.doomed} {
		if l, due := r.next(); l != nil {
			k.wakeBy(due)
		}
	}
}

func (k *keeper) isStopping(l *lease) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return l.stopping
}

// stop ends the refreshing of a lease, once the request under way for it has
// ended. It may be called any number of times.
func (k *keeper) stop(l *lease) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if l.stopping {
		return
	}
	l.stopping = true
	if f := l.flight; f != nil {
		f.unwanted()
		return
	}
	if l.in != nil { // where it stays: most are let go now, and forgotten
		l.fiber.Stopped()
	}
}

// forget is for a lease that has ended.
func (k *keeper) forget(l *lease) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if l.in != nil {
		l.strike()
	}
}
