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

// AwaitCleanup returns an effect that waits until the clean-ups of failed acquisitions on b
// have ended. b is the value that was passed to [New]. The effect fails only if its context
// ends.
//
// If a request of a failed acquisition may have been applied, the acquisition releases the
// lock. Its caller waits up to 50 ms for that clean-up, which then continues in the
// background, for at most 5 s in all. A program should run AwaitCleanup before it exits: a
// lock that has not been released by then stays locked for one lease. A test should run it
// before it stops the store.
//
// A clean-up that failed has ended too; its failures are reported to the observer.
// AwaitCleanup does not wait for what a store undoes later on its own, as package redis
// does for a minute. It may or may not wait for acquisitions that fail meanwhile.
func AwaitCleanup(b backing.Backing) effect.Effect[effect.Void] {
	return func(ctx context.Context) (effect.Void, error) {
		if b == nil || !reflect.ValueOf(b).Comparable() { // no mutex can use it
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

// undoPatience is how long the caller of a failed acquisition waits for its clean-up, which
// usually takes one round trip and leaves nothing behind.
const undoPatience = 50 * time.Millisecond

// cleaner owns the clean-ups of one store: the goroutines that release what abandoned
// acquisitions may have acquired.
type cleaner struct {
	mu    sync.Mutex
	undos map[*undo]struct{} // under way
}

var cleaners shared[backing.Backing, cleaner]

func newCleaner() *cleaner { return &cleaner{undos: map[*undo]struct{}{}} }

// claimant is what identifies a holder in the store, whatever its claim.
type claimant struct{ key, holder string }

func claimantOf(c backing.Claim) claimant { return claimant{c.Key, c.Holder} }

// errNoAnswer is the failure of a clean-up that ended by a panic or runtime.Goexit in the store.
var errNoAnswer = errors.New("the store ended the request without an answer")

// undo is one clean-up.
type undo struct {
	claim  backing.Claim
	cancel context.CancelCauseFunc
	done   chan struct{}
	taken  bool // an acquisition has taken it over; guarded by the cleaner's mutex

	// The rest may be read once done is closed.
	released bool
	failed   error // why the release failed
}

// errTakenOver ends a clean-up when the same claimant acquires again: the clean-up would
// release the new acquisition.
var errTakenOver = errors.New("acquired again under the same holder id")

// cleanUp releases what a departed claimant may have acquired, and takes it out of the
// store's queue. It returns the failure, or nil if the clean-up is still under way after
// undoPatience.
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
		released, err := ask(ctx, m, OperationRelease, func(ctx context.Context) (backing.Released, error) {
			exit := effect.RunExit(ctx, request) // a panic counts as a failure: nobody could recover it
			released, _ := exit.Value()
			return released, exit.Err()
		})
		_, err = releasing(m, released, err)
		return err
	})
}

// start runs release on a goroutine of its own, under a context that has the values of ctx
// and ends after effect.FinalizerTimeout.
func (c *cleaner) start(ctx context.Context, claim backing.Claim, release func(context.Context) error) *undo {
	owned, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	u := &undo{claim: claim, cancel: cancel, done: make(chan struct{}), failed: errNoAnswer}
	c.mu.Lock()
	c.undos[u] = struct{}{}
	c.mu.Unlock()
	go func() {
		defer c.end(u) // even if the store ends the goroutine
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
