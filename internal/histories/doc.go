// Package histories checks recorded histories of the lock against models of it.
//
// Many clients in many processes lock a few keys of a real redis-server, hold them
// for a while, and write under them to a register that refuses old fencing
// tokens. Meanwhile processes are killed and paused, their connections cut, reset,
// delayed and robbed of replies, and the server is frozen or forgets its scripts or,
// in a world of its own, all its data. Every operation is recorded with the times of
// its call and its return, and what each client saw.
//
// The histories are then checked for linearizability: is there an order of the
// operations, each at some moment between its call and its return, in which a lock
// with leases and a fenced register would have answered just so? In that order
//
//   - the lock is granted only while nobody relies on it: a holder does from the
//     moment it is inside until its work ends, its lease does, or it is killed
//   - every grant has a higher token than those before it
//   - one who does not wait is refused only while somebody may have the lock
//   - the register accepts a write if it has not seen a higher token, and refuses it if it has
//
// The times are CLOCK_MONOTONIC's, which all processes of a machine share. So what
// is checked is not that messages came in a good order, but that work excluded work.
//
// How the model came about, and why it can be strict in spite of paused processes
// and lost replies, is told beside it. That it finds what it should is
// shown by histories of broken locks, which are tests too.
//
// The package has no code of its own. Its tests need a redis-server; see
// redistest. They take half a minute. EFFECTLOCK_HISTORIES makes the longest of them
// longer: a duration, such as 2m, or a number of operations, such as 100000; then let
// go test's own -timeout be longer too. EFFECTLOCK_HISTORIES_SEED repeats the plan of
// a run, though not its timing.
package histories
