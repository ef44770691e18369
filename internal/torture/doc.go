// Package torture makes processes share locks on real servers while processes, networks and
// servers break, and judges the results. It has tests only. They need a redis-server (see
// redistest) and time, and `make torture` gives them both.
//
// Many clients in several processes ask for locks in every possible way. Under each lock they
// increment a counter in a register that refuses old fencing tokens. Meanwhile faults occur, drawn
// from a deck: processes are killed and stopped; their connections are cut, reset, delayed, and
// lose replies and notifications; the server is frozen and restarted, forgets its scripts, loses
// its connections, its locks or all its data, or fails over to its replica. Each process writes a
// journal that outlives it.
//
// One judge reads the journals of every run. For the lock and for the register of each key it
// looks for an order of the operations, each at some moment between its call and its return, in
// which a lock with leases and a fenced register would have given the same answers:
//
//   - the lock is granted only while nobody relies on it: a holder relies on it from the
//     moment its work begins until the work or the lease ends, or the holder is killed
//   - every grant has a higher token than those before it
//   - a client that does not wait is refused only while somebody may have the lock
//   - the register accepts a write if it has not seen a higher token, and refuses it if it has
//
// The judge also checks that no increment is lost; that success means that the work ended within
// the lease, also according to the server where it keeps a record of the lease; that a loss is
// noticed soon, and has a reason; that no key stays free while somebody waits for it, and nobody
// starves; and that no key, goroutine or connection is left behind, and memory does not grow.
// Made-up histories, and runs with locks that are broken on purpose, show that the judge finds
// what it should.
//
// All times are those of CLOCK_MONOTONIC, which the processes of a machine share. So the judge can
// check that no two holders worked at once, and not only that messages came in a good order. Timers
// that are late on a busy machine do not count against the lock: the journals also say when a
// process or the server stood still.
//
// EFFECTLOCK_TORTURE is the time for all runs; EFFECTLOCK_FAILOVERS is the number of failovers of
// each kind, 2 if unset. EFFECTLOCK_TORTURE_SEED repeats the faults of a run, though not their timing.
package torture
