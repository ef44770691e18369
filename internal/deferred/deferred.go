// Package deferred has the types of fibers without a goroutine, which only this module can
// make: one that its owner forgets to end would keep its scope open for ever.
package deferred

// Owner does the work of a fiber. Stop begins to end the fiber, and need not wait for that.
// It may be called more than once, also after the end, and by several goroutines.
// Owner is a struct because types of other modules could be an interface.
type Owner struct{ Stopper interface{ Stop() } }

// End is how a fiber ends: with Err, or, if that is nil, because it was interrupted.
type End struct{ Err error }
