// Package deferred has the types behind fibers without a goroutine. Only this module can
// make such fibers: if the owner forgot to end one, its scope would stay open forever.
package deferred

// Owner does the work of a fiber. Stop begins to end the fiber, and need not wait for the
// end. It may be called more than once, even after the end, and by several goroutines.
// Owner is a struct because other modules could implement an interface.
type Owner struct{ Stopper interface{ Stop() } }

// End is how a fiber ends: with Err, or by interruption if Err is nil.
type End struct{ Err error }
