package main

import (
	"context"
	"time"
)

// call is an operation of a lock whose length is measured.
type call struct {
	name string
	// takes are the libraries that have it, and under those the libraries in which
	// the caller's context counts.
	has, under func(library) bool
	// make makes the call, in each way that there is.
	ways []func(*attempt, context.Context)
	// leaves says that a lock which is there afterwards has been left behind by the
	// call, though it succeeded.
	leaves bool
}

var calls = []call{
	{"acquire", every, every, []func(*attempt, context.Context){(*attempt).acquire}, false},
	{"try", every, every, []func(*attempt, context.Context){(*attempt).try}, false},
	{"release", every, library.releaseUnder, []func(*attempt, context.Context){(*attempt).release}, true},
	{"`IsLocked`, `Holder`", library.canRead, every, []func(*attempt, context.Context){(*attempt).isLocked, (*attempt).holder}, false},
}

func every(library) bool             { return true }
func (l library) releaseUnder() bool { return l.releasesUnder }
func (l library) canRead() bool      { return l.reads }

// trier is a client that can also ask for a lock once. The error is nil too if
// another has the lock.
type trier interface {
	try(ctx context.Context, key string, work func(ctx context.Context, token uint64)) error
}

// reader is a client that can ask who has a lock. What the answer is does not matter here.
type reader interface {
	isLocked(ctx context.Context, key string) error
	holder(ctx context.Context, key string) error
}

// attempt is one call that is made while a fault lasts.
type attempt struct {
	client
	key    string
	within time.Duration   // the caller's deadline; 0: none
	ready  chan<- *attempt // gets the attempt when it has what it needs before the fault
	begin  <-chan struct{} // closed when the fault has begun
	since  time.Time       // when the call began
	took   time.Duration   // how long it took, once it has ended
	failed bool
}

func (a *attempt) acquire(ctx context.Context) { a.enter(ctx, a.client.with) }

func (a *attempt) try(ctx context.Context) { a.enter(ctx, a.client.(trier).try) }

func (a *attempt) isLocked(ctx context.Context) { a.read(ctx, a.client.(reader).isLocked) }

func (a *attempt) holder(ctx context.Context) { a.read(ctx, a.client.(reader).holder) }

// enter ends with the call that acquires, if that succeeds; its release is not counted.
func (a *attempt) enter(ctx context.Context, lock func(context.Context, string, func(context.Context, uint64)) error) {
	a.failed = true
	a.await()
	ctx, cancel := a.limited(ctx)
	defer cancel()
	_ = lock(ctx, a.key, func(context.Context, uint64) { a.took, a.failed = time.Since(a.since), false })
	if a.failed {
		a.took = time.Since(a.since)
	}
}

func (a *attempt) read(ctx context.Context, look func(context.Context, string) error) {
	a.await()
	ctx, cancel := a.limited(ctx)
	defer cancel()
	a.failed = look(ctx, a.key) != nil
	a.took = time.Since(a.since)
}

// release begins when the work ends. The context of the caller, of which the lock was
// acquired under, ends by its deadline from then on.
func (a *attempt) release(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	_ = a.client.with(ctx, a.key, func(context.Context, uint64) {
		a.await()
		if a.within > 0 {
			time.AfterFunc(a.within, cancel)
		}
	})
	a.took = time.Since(a.since)
}

// await waits for the fault. With that the call begins.
func (a *attempt) await() {
	a.ready <- a
	<-a.begin
	a.since = time.Now()
}

func (a *attempt) limited(ctx context.Context) (context.Context, context.CancelFunc) {
	if a.within == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, a.within)
}
