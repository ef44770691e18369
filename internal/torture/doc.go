// Package torture has processes share locks on real servers while processes, networks and
// servers break, and judges what they did. It has no code of its own: its tests need a
// redis-server, see redistest, and the time for them, which `make torture` gives.
//
// Many clients in several processes ask for locks in every way there is, and under each
// read and write back a counter in a register that refuses old fencing tokens. Meanwhile a deck of
// faults is dealt: processes are killed and stopped, their connections cut, reset, delayed and robbed
// of replies and notifications; the server is frozen and restarted, forgets its scripts,
// loses its connections, its locks or all its data, or fails over to its replica. Each
// process writes a journal that outlives it.
//
// One judge looks at the journals of every run. For the lock and for the register of each key it
// looks for an order of the operations, each at some moment between its call and its return, in
// which a lock with leases and a fenced register would have answered just so:
//
//   - the lock is granted only while nobody relies on it: a holder does from the
//     moment it is inside until its work ends, its lease does, or it is killed
//   - every grant has a higher token than those before it
//   - one that does not wait is refused only while somebody may have the lock
//   - the register accepts a write if it has not seen a higher token, and refuses it if it has
//
// Besides, no increment is lost; success means that the work ended within the lease, by the
// account of the server too where it keeps one; a loss is noticed, soon, and there is none for no reason; no key
// stays free while somebody waits for it, and nobody starves; and neither the
// processes nor the server are left with a key, a goroutine, a connection, or memory
// that grows. That the judge finds what it should is shown by made-up histories, and by runs of
// locks that are broken on purpose.
//
// The times are CLOCK_MONOTONIC's, which all processes of a machine share. So what
// is checked is not that messages came in a good order, but that work excluded work. What rests on timers
// on a busy machine is not held against the lock: when a process or the server stood still is in the
// journals too.
//
// EFFECTLOCK_TORTURE is the time for all runs, EFFECTLOCK_FAILOVERS how many failovers of each kind
// there are, 2 if unset. EFFECTLOCK_TORTURE_SEED repeats the faults of a run, though not their timing.
package torture
