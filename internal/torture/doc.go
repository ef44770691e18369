// Package torture makes processes share locks on real servers while processes, networks and
// servers break, and judges what they did. It has no code of its own: its tests need a
// redis-server (see redistest) and time, which `make torture` gives them.
//
// Many clients in several processes ask for locks in every possible way. Under each lock they
// read and write back a counter in a register that refuses old fencing tokens. Meanwhile a deck of
// faults is dealt: processes are killed and stopped; their connections are cut, reset, delayed and
// lose replies and notifications; the server is frozen and restarted, forgets its scripts, loses
// its connections, its locks or all its data, or fails over to its replica. Each process writes a
// journal that outlives it.
//
// One judge reads the journals of every run. For the lock and for the register of each key it
// looks for an order of the operations, each at some moment between its call and its return, in
// which a lock with leases and a fenced register would have given the same answers:
//
//   - the lock is granted only while nobody relies on it: a holder does from the
//     moment it is inside until its work or its lease ends, or it is killed
//   - every grant has a higher token than those before it
//   - a client that does not wait is refused only while somebody may have the lock
//   - the register accepts a write if it has not seen a higher token, and refuses it if it has
//
// Besides, no increment is lost; success means that the work ended within the lease, also by the
// server's account where it keeps one; a loss is noticed soon, and never happens for no reason; no
// key stays free while somebody waits for it, and nobody starves; and neither the processes nor the
// server are left with a key, a goroutine, a connection, or growing memory. Made-up histories, and
// runs of locks that are broken on purpose, show that the judge finds what it should.
//
// The times are those of CLOCK_MONOTONIC, which all processes of a machine share. So the judge
// checks that work excluded work, not that messages came in a good order. What rests on timers on
// a busy machine is not held against the lock: the journals also say when a process or the server
// stood still.
//
// EFFECTLOCK_TORTURE is the time for all runs; EFFECTLOCK_FAILOVERS is the number of failovers of
// each kind, 2 if unset. EFFECTLOCK_TORTURE_SEED repeats the faults of a run, though not their timing.
package torture
