package main

import (
	"context"
	"time"
)

// call is an operation of a lock whose duration is measured.
type call struct {
	name string
	// has says which libraries have it, and under which of them pass it the caller's
	// context.
	has, under func(library) bool
	ways       []func(*attempt, context.Context)
	// frees means that a lock that is there afterwards was left behind, whatever the
	// call returned.
	frees bool
}

var calls = []call{
	{"acquire", always, always, []func(*attempt, context.Context){(*attempt).acquire}, false},
	{"try", always, always, []func(*attempt, context.Context){(*attempt).try}, false},
	{"release", always, library.doesReleaseUnder, []func(*attempt, context.Context){(*attempt).release}, true},
	{"`IsLocked`, `Holder`", library.doesRead, always, []func(*attempt, context.Context){(*attempt).isLocked, (*attempt).holder}, false},
}

func always(library) bool                { return true }
func (l library) doesRead() bool         { return l.reads }
func (l library) doesReleaseUnder() bool { return l.releasesUnder }

// trier is a client that can also ask for a lock without waiting for it. It calls work
// if it gets the lock.
type trier interface {
	try(ctx context.Context, key string, work func(ctx context.Context, token uint64)) error
}

// reader is a client that can ask for the holder of a lock. The answer does not matter here.
type reader interface {
	isLocked(ctx context.Context, key string) error
	holder(ctx context.Context, key string) error
}

// attempt is one call that is made while a fault lasts.
type attempt struct {
	client
	key    string
	within time.Duration   // the caller's deadline; 0: none
	ready  chan<- struct{} // receives a value when the call can begin
	begin  <-chan struct{} // closed when the fault has begun

	since  time.Time // when the call began
	took   time.Duration
	failed bool
}

func (a *attempt) acquire(ctx context.Context) { a.enter(ctx, a.with) }

func (a *attempt) try(ctx context.Context) { a.enter(ctx, a.client.(trier).try) }

func (a *attempt) isLocked(ctx context.Context) { a.read(ctx, a.client.(reader).isLocked) }

func (a *attempt) holder(ctx context.Context) { a.read(ctx, a.client.(reader).holder) }

// enter measures lock until the work begins, or until it returns without it.
func (a *attempt) enter(ctx context.Context, lock func(context.Context, string, func(context.Context, uint64)) error) {
	ctx, cancel := a.await(ctx)
	defer cancel()
	a.failed = true
	_ = lock(ctx, a.key, func(context.Context, uint64) { a.took, a.failed = time.Since(a.since), false })
	if a.failed {
		a.took = time.Since(a.since)
	}
}

func (a *attempt) read(ctx context.Context, look func(context.Context, string) error) {
	ctx, cancel := a.await(ctx)
	defer cancel()
	a.failed = look(ctx, a.key) != nil
	a.took = time.Since(a.since)
}

// release measures from the end of the work. The context of the acquire, which is also
// that of the release if it takes one, ends at the deadline.
func (a *attempt) release(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	a.failed = held(ctx, a.client, a.key, func() {
		deadline, _ := a.await(ctx)
		context.AfterFunc(deadline, cancel)
	}) != nil
	a.took = time.Since(a.since)
}

// held is with for a free lock and a server that answers. On a busy machine rueidislock,
// which waits 20 ms for an answer, may be asleep beside it.
func held(ctx context.Context, c client, key string, work func()) (err error) {
	for begun, tries := false, 0; !begun && tries < 10; tries++ {
		ctx, cancel := context.WithCancel(ctx)
		asleep := time.AfterFunc(time.Second, cancel)
		err = c.with(ctx, key, func(context.Context, uint64) {
			if begun = asleep.Stop(); begun {
				work()
			}
		})
		cancel()
	}
	return err
}

// await waits for the fault, and returns the context under which the call begins.
func (a *attempt) await(ctx context.Context) (context.Context, context.CancelFunc) {
	a.ready <- struct{}{}
	<-a.begin
	a.since = time.Now()
	if a.within == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, a.since.Add(a.within))
}
