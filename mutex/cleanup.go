package mutex

import (
	"context"
	"errors"
	"reflect"
	"sync"
	"time"

	"github.com/effectlock/effectlock/backing"
	"github.com/effectlock/effectlock/effect"
	"github.com/effectlock/effectlock/internal/turn"
)

// AwaitCleanup waits until the clean-ups of failed acquisitions on b are over. b is the
// value that [New] was called with. AwaitCleanup fails only if its context ends.
//
// An acquisition that fails after a request of its own may have been applied releases the
// lock. Its caller waits up to 50 ms for that clean-up, which then goes on in the
// background, for at most 5 s in all. A program should call AwaitCleanup before it exits:
// a lock that has not been released by then stays for one lease. A test should call it
// before it stops the store.
//
// A clean-up that fails is over, too: its failures are reported to the observer.
// AwaitCleanup does not wait for what a store undoes later by itself, as that of package
// redis does for a minute. It may or may not wait for acquisitions that fail meanwhile.
func AwaitCleanup(b backing.Backing) effect.Effect[effect.Void] {
	return func(ctx context.Context) (effect.Void, error) {
		if b == nil || !reflect.ValueOf(b).Comparable() { // no mutex can be made of it
			return effect.Void{}, nil
		}
		c := cleaners.of(b, newCleaner)
		for u := c.any(); u != nil; u = c.any() {
			if err := u.wait(ctx); err != nil {
				return effect.Void{}, err
			}
		}
		return effect.Void{}, nil
	}
}

// undoPatience is how long the caller of an acquisition that has failed waits for its
// clean-up. That mostly takes one round trip, after which nothing is left behind.
const undoPatience = 50 * time.Millisecond

// cleaner owns the clean-ups of one store: the goroutines that release what abandoned
// acquisitions may have acquired.
type cleaner struct {
	mu    sync.Mutex
	undos map[*undo]struct{} // those under way
}

var cleaners shared[backing.Backing, cleaner]

func newCleaner() *cleaner { return &cleaner{undos: map[*undo]struct{}{}} }

// claimant is what identifies a holder in the store, whichever claim it makes.
type claimant struct{ key, holder string }

func claimantOf(c backing.Claim) claimant { return claimant{c.Key, c.Holder} }

// errNoAnswer is the failure of a clean-up that a panic or runtime.Goexit in the store ended.
var errNoAnswer = errors.New("no answer")

// undo is one clean-up.
type undo struct {
	claim  backing.Claim
	cancel context.CancelCauseFunc
	done   chan struct{}
	taken  bool // an acquisition has taken it over; the cleaner's mutex guards it

	// The rest may be read when done is closed.
	released bool
	failed   error // why the release failed
}

// errTakenOver ends a clean-up when the same claimant acquires again: the clean-up would
// release the new acquisition.
var errTakenOver = errors.New("acquired again under the same holder id")

// cleanUp releases what a claimant that has left may have acquired, and takes it out of
// the store's queue. It returns the failure of that, or nil if it is still under way
// after undoPatience.
func (m *Mutex) cleanUp(ctx context.Context, c backing.Claim) error {
	u := m.beginCleanUp(ctx, c)
	timer := time.NewTimer(undoPatience)
	defer timer.Stop()
	select {
	case <-u.done:
		return u.failed
	case <-timer.C:
		return nil
	}
}

func (m *Mutex) beginCleanUp(ctx context.Context, c backing.Claim) *undo {
	request := m.releaseOnce(c)
	return m.cleaner.start(ctx, c, func(ctx context.Context) error {
		defer m.waitQueue.step(turn.Event{Kind: turn.Undone, Holder: permitsOf(c)})
		released, err := ask(ctx, m, "release", func(ctx context.Context) (backing.Released, error) {
			exit := effect.RunExit(ctx, request) // a panic counts as a failure: nobody could recover it
			released, _ := exit.Value()
			return released, exit.Err()
		})
		_, err = releasing(m, released, err)
		return err
	})
}

// start runs release on a goroutine of its own, under a context with the values of ctx
// that ends after effect.FinalizerTimeout.
func (c *cleaner) start(ctx context.Context, claim backing.Claim, release func(context.Context) error) *undo {
	owned, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	u := &undo{claim: claim, cancel: cancel, done: make(chan struct{}), failed: errNoAnswer}
	c.mu.Lock()
	c.undos[u] = struct{}{}
	c.mu.Unlock()
	go func() {
		defer c.end(u) // also if the store ends the goroutine
		bounded, cancel := context.WithTimeout(owned, effect.FinalizerTimeout)
		defer cancel()
		u.failed = release(bounded)
		u.released = u.failed == nil
		if context.Cause(owned) == errTakenOver { //nolint:errorlint // it is this very error
			u.failed = nil
		}
	}()
	return u
}

func (c *cleaner) end(u *undo) {
	u.cancel(nil)
	c.mu.Lock()
	delete(c.undos, u)
	c.mu.Unlock()
	close(u.done)
}

// any returns a clean-up that is under way, or nil.
func (c *cleaner) any() *undo {
	c.mu.Lock()
	defer c.mu.Unlock()
	for u := range c.undos {
		return u
	}
	return nil
}

// takeOver ends the clean-ups of a claimant that acquires again, and waits for them. It
// returns the claims that have not been released: the caller must release them if it does
// not get the lock. It fails only when ctx ends.
func (c *cleaner) takeOver(ctx context.Context, who claimant) (unreleased []backing.Claim, err error) {
	for _, u := range c.of(who) {
		mine := c.take(u)
		u.cancel(errTakenOver)
		if err = u.wait(ctx); mine && (err != nil || !u.released) {
			unreleased = append(unreleased, u.claim)
		}
		if err != nil {
			return unreleased, err
		}
	}
	return unreleased, nil
}

// of returns the clean-ups of a claimant that are under way.
func (c *cleaner) of(who claimant) (all []*undo) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for u := range c.undos {
		if claimantOf(u.claim) == who {
			all = append(all, u)
		}
	}
	return all
}

// take reports whether the caller is the first to take the clean-up over.
func (c *cleaner) take(u *undo) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	first := !u.taken
	u.taken = true
	return first
}

// wait waits until the clean-up has ended.
func (u *undo) wait(ctx context.Context) error {
	select {
	case <-u.done:
		return nil
	case <-ctx.Done():
		return effect.Interrupted(ctx, nil)
	}
}
